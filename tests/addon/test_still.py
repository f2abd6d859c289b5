"""F12 on the network, and Blender's own *Render Animation* with our engine."""

from pathlib import Path

import pytest

from ..coordinators import RunningCoordinator
from ..process_farm import ProcessFarm
from ..scripted_slave import scripted_slave
from . import pixels
from .blenders import Blender
from .test_animation import SIMPLE, files

pytestmark = pytest.mark.blender


def test_a_still_equals_a_local_one(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    """From a job of its own, from one that was sent before, and with the engine chosen by hand."""
    script = (
        SIMPLE
        + """
scene = simple()
def still(name, operator, frame):
    scene.frame_set(frame)
    scene.render.filepath = f"{arguments[1]}/{name}"
    attempt(operator, write_still=True)

still("network 1", bpy.ops.netrender.image, 1)
tell(scene.netrender.job)
attempt(bpy.ops.netrender.send)
tell(scene.netrender.job)
still("network 3", bpy.ops.netrender.image, 3)
tell(scene.render.engine)
scene.netrender.engine, scene.render.engine = "CYCLES", "NETRENDER"
still("network 2", bpy.ops.render.render, 2)
scene.render.engine = "CYCLES"
for frame in (1, 2, 3):
    still(f"local {frame}", bpy.ops.render.render, frame)
"""
    )
    told = extended.run(script, farm.url, tmp_path / "stills").told
    job = told[3]
    assert told == [["FINISHED"], "", ["FINISHED"], job, ["FINISHED"], "CYCLES", *[["FINISHED"]] * 4]
    for frame in (1, 2, 3):
        local, network = (tmp_path / "stills" / f"{where} {frame}.png" for where in ("local", "network"))
        assert pixels.differences(local, network) == []
    with farm.client as client:
        (sent,) = [info for info in client.jobs() if info.id == job]
        assert sent.frames == "1-3"


def test_render_animation_with_our_engine(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    script = (
        SIMPLE
        + """
scene = simple()
scene.render.filepath = arguments[1] + "/local/####"
attempt(bpy.ops.render.render, animation=True)
scene.netrender.engine, scene.render.engine = "CYCLES", "NETRENDER"
scene.render.filepath = arguments[1] + "/network/####"
attempt(bpy.ops.render.render, animation=True)
"""
    )
    assert extended.run(script, farm.url, tmp_path).told == [["FINISHED"]] * 2
    assert pixels.folders(tmp_path / "local", tmp_path / "network") == []
    assert len(files(tmp_path / "network")) == 3


def test_a_frame_that_failed_shows_the_slaves_error(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    """And leaves no black image, whoever asks Blender to write one."""
    script = (
        SIMPLE
        + """
scene = simple()
attempt(bpy.ops.netrender.image, write_still=True)
scene.render.filepath = arguments[1] + "/still"
scene.netrender.engine, scene.render.engine = "CYCLES", "NETRENDER"
attempt(bpy.ops.render.render, write_still=True)
"""
    )
    with scripted_slave(coordinator.url, permits=1000, render=lambda frame: None):
        answer = extended.run(script, coordinator.url, tmp_path / "frames")
    image, still = answer.told
    assert "it was told to fail" in image
    assert "log of 1" in image
    assert "log of 1" in still
    assert files(tmp_path / "frames") == []


def test_a_frame_that_failed_ends_blenders_own_animation(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    """As with any engine. netrender.animation goes on with the others."""
    script = (
        SIMPLE
        + """
scene = simple()
scene.netrender.engine, scene.render.engine = "CYCLES", "NETRENDER"
attempt(bpy.ops.render.render, animation=True)
"""
    )
    with scripted_slave(coordinator.url, permits=1000, render=lambda frame: None):
        (told,) = extended.run(script, coordinator.url, tmp_path / "frames").told
    assert "frame 1: it was told to fail" in told
    assert "log of 1" in told
    assert files(tmp_path / "frames") == []
    assert files(tmp_path / "frames") == []
