"""What the header of a result tells: all that Blender tells of the picture, and nothing of the machine."""

import shutil
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import OpenEXR
import pytest

from blender_addon.renderer import exr_file

from .. import exr, reference, scenes
from .renderers import RendererProcess

pytestmark = pytest.mark.blender

SceneFile = Callable[[str], Path]
TIMES = {"Date", "RenderTime"}  # what can never be the same twice; so are those that Cycles tells


def texts(path: Path) -> dict[tuple[str, str], Any]:
    """Every attribute of every part that is a text, but for times."""
    with OpenEXR.File(str(path)) as file:
        headers = [part.header for part in file.parts]
        found = {(each.get("name", ""), name): value for each in headers for name, value in each.items()}
    return {
        key: value
        for key, value in found.items()
        if isinstance(value, str) and key[1] not in TIMES and not key[1].endswith("_time")
    }


def test_it_has_the_name_in_the_jobs_own_tree_and_no_host(
    renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path
) -> None:
    """All the rest is as a local render has it. One part in 4.x, one for each pass and view in 5.x."""
    local = reference.render(scene_file("identity"), tmp_path / "local", "2", threads=1) / "0002.exr"
    tree = tmp_path / "tree"
    (tree / "film").mkdir(parents=True)
    blend = Path(shutil.copy(scene_file("identity"), tree / "film" / "shot.blend"))
    result = tmp_path / "result.exr"
    assert renderer.open(blend, inside=[str(tree)])["type"] == "opened"
    assert renderer.render(2, result)["type"] == "rendered"
    assert not exr.differences(local, result)
    here, there = texts(local), texts(result)
    assert {value for (_, name), value in here.items() if name == "File"} == {str(scene_file("identity"))}
    assert {key: value for key, value in here.items() if key[1] != "File"} == {
        key: value for key, value in there.items() if key[1] != "File"
    }
    assert [value for (_, name), value in there.items() if name == "File"] == ["film/shot.blend"]
    assert str(tmp_path).encode() not in result.read_bytes()


# The settings are on, off but animated, and off.
STAMPS = """
render = scene.render
render.use_stamp = True
render.use_stamp_hostname = True
for name in ("hostname", "filename"):
    render.keyframe_insert("use_stamp_" + name, frame=2)
render.use_stamp_hostname = {hostname}
render.use_stamp_filename = {filename}
render.use_stamp_note, render.stamp_note_text = True, "take 3"
"""


@pytest.mark.parametrize(("hostname", "filename"), [(True, True), (False, False)])
def test_whatever_the_stamp_is_set_to(
    renderer: RendererProcess, tmp_path: Path, hostname: bool, filename: bool
) -> None:
    blend = scenes.build("simple", tmp_path / "s.blend", then=STAMPS.format(hostname=hostname, filename=filename))
    assert renderer.open(blend)["type"] == "opened"
    result = tmp_path / "0002.exr"
    assert renderer.render(2, result)["type"] == "rendered"
    found = {name: value for (_, name), value in texts(result).items()}
    assert "Hostname" not in found
    assert found.get("File") in ("s.blend", None)
    assert found["Note"] == "take 3"
    assert str(tmp_path).encode() not in result.read_bytes()
    assert socket.gethostname() not in found.values()


def test_texts_are_replaced_in_place(renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path) -> None:
    """Shorter, as long as before, empty, too long, and of what is not there or is no text."""
    path = tmp_path / "0001.exr"
    assert renderer.open(scene_file("identity"))["type"] == "opened"
    assert renderer.render(1, path)["type"] == "rendered"
    size, before, pixels = path.stat().st_size, texts(path), exr.read(path)
    changes = {"Scene": "S\udcfc", "Camera": "CAMERA", "Frame": "", "Time": "t" * 999, "Nothing": "x", "channels": "x"}
    exr_file.replace_texts(path, changes)
    exr_file.check(path)
    assert path.stat().st_size == size
    assert b"Scene\0string\0" + struct.pack("<i", 2) + b"S?" in path.read_bytes()
    after = texts(path)
    assert before.keys() - after.keys() == {key for key in before if key[1] in ("Frame", "Time")}
    assert {value for (_, name), value in after.items() if name == "Camera"} == {"CAMERA"}
    assert after.keys() <= before.keys()
    assert pixels.keys() == exr.read(path).keys()
    assert all(pixels[name].tobytes() == plane.tobytes() for name, plane in exr.read(path).items())
