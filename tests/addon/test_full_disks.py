"""Full disks under Blender: of the frames that it writes, of the cache, and of the copies that are sent."""

from pathlib import Path

import pytest

from blender_addon import written

from ..disks import small_disk
from ..process_farm import ProcessFarm
from .blenders import Blender
from .test_animation import SIMPLE

pytestmark = pytest.mark.blender

DISK = (
    SIMPLE
    + """
import os
disk, filler = Path(arguments[2]), Path(arguments[2], "filler")

def fill(leave=0):
    with filler.open("ab") as file:
        about = os.statvfs(disk)
        file.write(bytes(max(0, about.f_bavail * about.f_frsize - leave)))

def cache(folder):
    os.environ["XDG_DATA_HOME"] = str(folder)  # the user's own folder is where the cache is

"""
)


def test_the_disk_of_the_frames(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    """A format that tells where a file ends, one that does not, and a movie."""
    script = (
        DISK
        + """
scene = simple()
scene.render.filepath = str(disk / "out" / "####")
attempt(bpy.ops.netrender.send)
for format in ("PNG", "TARGA", "FFMPEG"):
    if hasattr(scene.render.image_settings, "media_type"):
        scene.render.image_settings.media_type = "VIDEO" if format == "FFMPEG" else "IMAGE"
    scene.render.image_settings.file_format = format
    (disk / "out").mkdir(exist_ok=True)
    fill()
    attempt(bpy.ops.netrender.gather)
    filler.unlink()
    attempt(bpy.ops.netrender.gather)
"""
    )
    with small_disk(tmp_path / "disk", 4) as disk:
        sent, *said = extended.run(script, farm.url, tmp_path / "frames", disk.folder).told
        there = {path.name: path.stat().st_size for path in (disk.folder / "out").iterdir()}
    assert sent == ["FINISHED"]
    assert [each for each in said if isinstance(each, list)] == [["FINISHED"]] * 3
    for failure in said[::2]:
        assert "is not whole" in failure and "the disk is full" in failure and "gather the frames again" in failure
    assert {"0001.png", "0002.png", "0003.png", "0001.tga"} < there.keys() and all(there.values())


def test_the_disk_of_the_cache(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    script = (
        DISK
        + """
cache(disk / "cache")
scene = simple()
fill(20_000)  # less than a .blend
attempt(bpy.ops.netrender.animation)
filler.unlink()
attempt(bpy.ops.netrender.send)
fill()
attempt(bpy.ops.netrender.gather)
filler.unlink()
fill(4096 * 2)  # some frames
attempt(bpy.ops.netrender.gather)
filler.unlink()
attempt(bpy.ops.netrender.gather)
"""
    )
    with small_disk(tmp_path / "disk", 8) as disk:
        output = tmp_path / "frames"
        answer = extended.run(script, farm.url, output, disk.folder)
    snapshot, sent, *full, gathered = answer.told
    assert "cannot save a copy of the scene" in snapshot and "the disk is full" in snapshot
    assert (sent, gathered) == (["FINISHED"], ["FINISHED"])
    for said in full:
        assert "no space left in" in said and "another cache folder in the extension's preferences" in said
        assert "get its frames again when there is room" in said and "--output" not in said
    assert not [line for line in answer.printed if "Traceback" in line]
    assert sorted(path.name for path in output.iterdir()) == ["0001.png", "0002.png", "0003.png"]


def test_an_image_that_was_painted_is_not_sent_half(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    """Blender says nothing when there is no room for a PNG."""
    script = (
        DISK
        + """
import random
cache(disk / "cache")
scene = simple(frames=1)
image = bpy.data.images.new("painted", 512, 512)
image.filepath_raw, image.file_format = arguments[1] + "/painted.png", "PNG"
image.save()
image.pixels.foreach_set([random.random() for _ in range(512 * 512 * 4)])
image.update()
image.use_fake_user = True
from blender_addon import unsaved_images
fill(100_000)
try:
    unsaved_images.save(disk)  # what is sent after it may fit, as soon as somebody makes room
except OSError as error:
    tell(str(error))
Path(disk, "0.png").unlink()
attempt(bpy.ops.netrender.send)
filler.unlink()
attempt(bpy.ops.netrender.send)
"""
    )
    (tmp_path / "frames").mkdir()
    with small_disk(tmp_path / "disk", 16) as disk:
        half, full, sent = extended.run(script, farm.url, tmp_path / "frames", disk.folder).told
    assert "the changed image 'painted' is not whole" in half and "the disk is full" in half
    assert "cannot save a copy of the scene" in full and "the disk is full" in full
    assert sent == ["FINISHED"]


@pytest.mark.parametrize("name", ["a.tga", "a.png", "a.exr"])
def test_a_file_is_whole_as_far_as_its_format_tells(tmp_path: Path, name: str) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        path = disk.folder / name
        path.write_bytes(b"something")
        disk.fill()
        assert "the disk is full" in written.broken(path)
        disk.empty()
        assert written.broken(path) == {"a.tga": "", "a.png": "its end is missing"}.get(
            name, "it is not an OpenEXR file"
        )
