"""A panel that draws beside an engine in Python, such that Blender 4.3 lets no timer write any more: ours write."""

from pathlib import Path

import pytest

from ..addon.blenders import Blender
from .blender_window import blender_window
from .screen import virtual_screen

pytestmark = pytest.mark.blender

# The header draws before the engine renders, and ends while it does.
RACE = """
import threading

draws, drawn, armed = threading.Event(), threading.Event(), [True]

class Slow(bpy.types.RenderEngine):
    bl_idname, bl_label = "SLOW", "Slow"

    def render(self, depsgraph):
        renders.set()
        drawn.wait(60)

renders = threading.Event()

def draw(self, context):
    if armed and bpy.app.is_job_running("RENDER"):
        armed.clear()
        draws.set()
        renders.wait(60)
        drawn.set()

def writes():
    try:
        bpy.context.scene.frame_step = 7
    except AttributeError:
        return False
    return True

bpy.utils.register_class(Slow)
bpy.types.TOPBAR_MT_editor_menus.append(draw)
bpy.app.handlers.render_pre.append(lambda *_: draws.wait(60))
bpy.drawn, bpy.writes = drawn, writes
bpy.context.preferences.view.render_display_type = "NONE"
bpy.context.scene.render.engine = "SLOW"
bpy.ops.render.render("INVOKE_DEFAULT")
bpy.context.workspace.status_text_set("drawn anew")
"""

SESSION = "sys.modules['bl_ext.user_default.netrender.session']"


def test_our_timer_writes_where_others_cannot(program: str, blender: Blender, tmp_path: Path) -> None:
    with virtual_screen() as screen, blender_window(program, screen, blender) as window:
        window.ask(f"exec({RACE!r})")
        screen.move(400, 10)  # over the header, which draws for it
        window.wait("bpy.drawn.is_set() and not bpy.app.is_job_running('RENDER')")
        if window.ask("bpy.app.version < (5, 0)"):
            assert not window.ask("bpy.writes()"), "this Blender has no such race: the test shows nothing"
        window.ask(f"{SESSION}.each_tick(lambda: setattr(bpy.context.scene, 'frame_step', 5))")
        window.wait("bpy.context.scene.frame_step == 5")
