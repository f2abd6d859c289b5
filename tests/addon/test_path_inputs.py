"""Geometry Nodes whose modifier has the path of a file: where that is has changed with Blender 5.2."""

from pathlib import Path

import pytest

from ..process_farm import ProcessFarm
from . import pixels
from .blenders import Blender
from .test_animation import SIMPLE

pytestmark = pytest.mark.blender

# A triangle of the scene's own, and one of a library. Both paths are absolute, so slaves have to set them.
SCRIPT = (
    SIMPLE
    + """
from tests.dependencies import scene as kinds

if not hasattr(bpy.types, "GeometryNodeImportSTL"):
    tell([])
    raise SystemExit
folder = Path(arguments[1])

def triangle(name, x):
    at = bpy.data.objects.new(f"at {name}", None)
    at.location = (x, 0, 1)
    kinds.geometry_nodes_path_input(at, folder / "one" / "two" / name)
    thing = bpy.data.objects["path input"]
    thing.name = name
    thing.scale = (4, 4, 4)
    return thing

simple()
triangle("linked", 0.5)
bpy.ops.wm.save_as_mainfile(filepath=str(folder / "library.blend"))
scene = simple(frames=1)
triangle("own", -1.5)
with bpy.data.libraries.load(str(folder / "library.blend"), link=True) as (_, wanted):
    wanted.objects = ["linked"]
scene.collection.objects.link(wanted.objects[0])
stl = folder / "one" / "elsewhere" / "input.stl"

for name, operator, options in (
    ("network", bpy.ops.netrender.animation, {}),
    ("local", bpy.ops.render.render, {"animation": True}),
):
    scene.render.filepath = str(folder / name / "####")
    attempt(operator, **options)
stl.unlink()
for name in ("own", "linked"):
    bpy.data.objects[name].update_tag()
scene.render.filepath = str(folder / "without" / "####")
attempt(bpy.ops.render.render, animation=True)
"""
)


def test_the_files_of_path_inputs_travel_and_are_read(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    told = extended.run(SCRIPT, farm.url, tmp_path).told
    if told == [[]]:
        pytest.skip("this Blender has no nodes that import files")
    assert told == [["FINISHED"]] * 3
    assert pixels.folders(tmp_path / "local", tmp_path / "network") == []
    (local,), (without,) = ((tmp_path / name).iterdir() for name in ("local", "without"))
    assert pixels.differences(local, without), "or the file would not be seen in the picture"
