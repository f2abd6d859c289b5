"""Why point caches travel whole: Blender lists their folder when it opens the scene, and never again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.blender

SCRIPT = """
import json, os, shutil, sys
from pathlib import Path
import bpy
import bmesh  # only there once bpy is

folder = Path(sys.argv[1])
blend = str(folder / "s.blend")
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.save_as_mainfile(filepath=blend)
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, 4
data, shape = bpy.data.meshes.new("cloth"), bmesh.new()
bmesh.ops.create_grid(shape, x_segments=3, y_segments=3, size=1)
shape.to_mesh(data)
thing = bpy.data.objects.new("cloth", data)
scene.collection.objects.link(thing)
cache = thing.modifiers.new("Cloth", "CLOTH").point_cache
cache.use_disk_cache, cache.frame_start, cache.frame_end = True, 1, 4
bpy.ops.wm.save_mainfile()
bpy.ops.ptcache.bake_all(bake=True)
scene.frame_set(1)
bpy.ops.wm.save_mainfile()

def heights(frame):
    bpy.context.scene.frame_set(frame)
    thing = bpy.data.objects["cloth"].evaluated_get(bpy.context.evaluated_depsgraph_get())
    return [vertex.co.z for vertex in thing.data.vertices]

def opened():
    bpy.ops.wm.open_mainfile(filepath=blend)

opened()
whole = {frame: heights(frame) for frame in (2, 4)}
files = next(folder.glob("blendcache_*"))
late = next(files.glob("*_000004_*"))
shutil.move(late, folder)
found = {}
opened()
found["a frame whose file is there"] = heights(2) == whole[2]
found["a frame whose file is not there"] = heights(4) == whole[4]
shutil.move(folder / late.name, files)
heights(2)
found["its file came while the scene is open"] = heights(4) == whole[4]
opened()
found["the scene is opened again"] = heights(4) == whole[4]
print("found:" + json.dumps(found), flush=True)
os._exit(0)
"""


def test_what_comes_later_is_not_seen_until_the_scene_is_opened_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("found:")), None)
    assert line is not None, done.stdout + done.stderr
    assert json.loads(line.removeprefix("found:")) == {
        "a frame whose file is there": True,
        "a frame whose file is not there": False,
        "its file came while the scene is open": False,
        "the scene is opened again": True,
    }
