"""The scene as it is now goes to the farm, and the user's file and session are as they were."""

from pathlib import Path
from typing import Any

import pytest

from ..process_farm import ProcessFarm
from . import pixels
from .blenders import Blender
from .test_animation import SIMPLE

pytestmark = pytest.mark.blender

# A packed picture, one with strokes that nobody saved, a library, and a change that nobody saved.
SCRIPT = (
    SIMPLE
    + """
import hashlib
folder = Path(arguments[1])
folder.mkdir()

def texture(image):
    material = bpy.data.materials.new(image.name)
    material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    return material

def picture(name, color):
    image = bpy.data.images.new(name, 4, 4)
    image.pixels[:] = color * 16
    image.filepath_raw, image.file_format = str(folder / f"{name}.png"), "PNG"
    image.save()
    return image

simple()
bpy.ops.wm.save_as_mainfile(filepath=str(folder / "library.blend"))
scene = simple(frames=1)
render = scene.render
bpy.data.objects.remove(bpy.data.objects["Cube"])
with bpy.data.libraries.load(str(folder / "library.blend"), link=True) as (there, here):
    here.objects = ["Cube"]
scene.collection.objects.link(here.objects[0])
packed, painted = picture("packed", [0.9, 0.2, 0.1, 1.0]), picture("painted", [0.1, 0.2, 0.9, 1.0])
packed.pack()
Path(packed.filepath_raw).unlink()
drawn = bpy.data.images.new("drawn", 4, 4)
drawn.pixels[:] = [0.8, 0.1, 0.8, 1.0] * 16
for number, image in enumerate((packed, painted, drawn)):
    thing = bpy.data.objects.new(image.name, scenes._cube(image.name, 1.5))
    thing.location = (2.2 * number - 2.5, -2, 0)
    thing.data.materials.append(texture(image))
    scene.collection.objects.link(thing)

def here_and_there(name):
    for where, operator in (("network", bpy.ops.netrender.animation), ("local", bpy.ops.render.render)):
        render.filepath = f"{folder}/{name}/{where}/####"
        attempt(operator, **({"animation": True} if where == "local" else {}))

def state():
    return {
        "file": bpy.data.filepath,
        "hash": hashlib.sha256(Path(bpy.data.filepath).read_bytes()).hexdigest() if bpy.data.filepath else "",
        "dirty": bpy.data.is_dirty,
        "images": sorted([i.name, i.filepath, i.is_dirty, i.packed_file is not None] for i in bpy.data.images
                         if i.type in ("IMAGE", "UV_TEST")),
        "libraries": [library.filepath for library in bpy.data.libraries],
        "recent": (Path(bpy.utils.user_resource("CONFIG")) / "recent-files.txt").exists(),
    }

here_and_there("unsaved")
bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"), relative_remap=True)
packed.pixels[:] = [0.9, 0.8, 0.1, 1.0] * 16
painted.pixels[:] = [0.1, 0.9, 0.1, 1.0] * 16
bpy.data.objects["Light"].data.energy = 2000
before = state()
attempt(bpy.ops.netrender.send)
after = state()
here_and_there("changed")
tell([before, after])
tell(sorted(path.name for path in Path(arguments[2]).iterdir()))
"""
)


def test_what_nobody_saved_is_rendered_and_nothing_is_touched(
    extended: Blender, farm: ProcessFarm, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    cache = extended.user / "data" / "netrender" / "client"
    told = extended.run(SCRIPT, farm.url, work, cache / "snapshots").told
    assert told[:5] == [["FINISHED"]] * 5
    for name in ("unsaved", "changed"):
        assert pixels.folders(work / name / "local", work / name / "network") == []
    (unsaved,), (changed,) = ((work / name / "local").iterdir() for name in ("unsaved", "changed"))
    assert pixels.differences(unsaved, changed), "or the changes would not be seen in the picture"
    before, after = told[5]
    assert before == after
    images: dict[str, Any] = {name: (dirty, is_packed) for name, _, dirty, is_packed in after["images"]}
    assert images == {"drawn": (True, False), "packed": (True, True), "painted": (True, False)}
    assert told[6] == [], "the copies are gone"
    assert not list(work.glob("**/snapshots"))


def test_a_copy_that_cannot_be_written(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    script = (
        SIMPLE
        + """
scene = simple()
attempt(bpy.ops.netrender.animation)
tell([bpy.data.filepath, scene.render.engine, sorted(os.listdir(os.environ["XDG_DATA_HOME"]))])
"""
    )
    (extended.user / "data").mkdir(parents=True)
    (extended.user / "data" / "netrender").write_text("a file where a folder should be")
    said, state = extended.run(script, farm.url, tmp_path / "frames").told
    assert "cannot save a copy of the scene in" in said
    assert "choose another cache folder in the extension's preferences" in said
    assert state == ["", "CYCLES", ["netrender"]]
