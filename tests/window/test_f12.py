"""A frame that failed on the farm, asked for in a window: its slave's error is in Blender's own reports."""

from pathlib import Path

import pytest

from ..addon.blenders import Blender
from ..coordinators import running_coordinator
from ..scripted_slave import scripted_slave
from .blender_window import blender_window
from .screen import SIZE, virtual_screen

pytestmark = pytest.mark.blender

# `reports`: all that the Info Editor shows. In a turn of ours, as what the observer does is done by a timer.
SETUP = """
def reports():
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    before, area.type = area.type, "INFO"
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        bpy.ops.info.select_all(action="SELECT")
        bpy.ops.info.report_copy()
    area.type = before
    return bpy.context.window_manager.clipboard

def show(frame):
    scene = bpy.context.scene
    scene.frame_set(frame)
    scene.render.engine = "CYCLES"
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=window.screen.areas[0]):
        bpy.ops.netrender.image("INVOKE_DEFAULT")

turn = sys.modules["bl_ext.user_default.netrender.turn"]
bpy.reports, bpy.show = lambda: turn.take(reports), lambda frame: turn.take(lambda: show(frame))
scene = bpy.context.scene
scene.render.engine, scene.netrender.engine = "NETRENDER", "CYCLES"
scene.netrender.address, scene.cycles.use_denoising = ADDRESS, False
"""


def test_the_slaves_error_is_reported(program: str, blender: Blender, tmp_path: Path) -> None:
    """By F12 with our engine, and by our own operator with any engine."""
    with (
        running_coordinator(tmp_path / "data") as running,
        scripted_slave(running.url, permits=1000, render=lambda frame: None),
        virtual_screen() as screen,
        blender_window(program, screen, blender) as window,
    ):
        window.ask(f"exec({SETUP.replace('ADDRESS', repr(running.url))!r})")
        screen.move(SIZE[0] // 3, SIZE[1] // 2)
        screen.press("Escape")  # the splash screen
        window.rest()
        screen.press("F12")
        window.wait("'log of 1' in bpy.reports()")
        window.ask("bpy.show(2)")
        window.wait("'log of 2' in bpy.reports()")
        window.wait("bpy.context.scene.render.engine == 'CYCLES'")  # as it was
