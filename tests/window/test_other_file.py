"""Another file is opened in a window while an animation of the first one is gathered, even while Blender writes it."""

import time
from pathlib import Path

import pytest

from coordinator.client import Client

from ..addon import pixels
from ..addon.blenders import Blender
from ..process_farm import process_farm
from . import places
from .blender_window import LOOK, PATIENCE, BlenderWindow, blender_window
from .screen import virtual_screen
from .test_f12 import SETUP

pytestmark = pytest.mark.blender

FRAMES = 12

FILES = f"""
import argparse
from pathlib import Path
from tests import scenes
from tests.addon import films
films.enable()
folder = Path(arguments[0])
for name in "ba":
    bpy.ops.wm.read_homefile()
    scenes.simple(argparse.Namespace(frames={FRAMES}, width=1280, height=720, samples=1))
    films.enable()  # the factory settings do not have it
    scene = films.prepared(bpy.context.scene)
    scene.netrender.address = arguments[1]
    scene.render.filepath = "//" + name + "/####"
    if name == "b":
        films.compositor(scene, ["Image"])
        scene.frame_end = 100
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"shot_{{name}}.blend"))
scene.render.filepath = str(folder / "local" / "####")
bpy.ops.render.render(animation=True)
"""

SESSION = "sys.modules['bl_ext.user_default.netrender.session']"
RESULTS = "sys.modules['bl_ext.user_default.netrender.results']"
SETTINGS = (
    "[[s.name, s.render.engine, s.render.filepath, s.frame_start, s.frame_end, s.frame_step, s.netrender.job,"
    " s.netrender.borrowed] for s in bpy.data.scenes]"
)

PRESS = """
def press(name):
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=window.screen.areas[0]):
        getattr(bpy.ops.netrender, name)("INVOKE_DEFAULT")

def open_file(path):
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window):
        bpy.ops.wm.open_mainfile(filepath=path)

turn = sys.modules["bl_ext.user_default.netrender.turn"]
bpy.press, bpy.open_file = lambda name: turn.take(lambda: press(name)), open_file
bpy.context.preferences.view.render_display_type = "NONE"
"""


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def done(client: Client, frames: int) -> None:
    """Wait until the farm has rendered so many of its only job."""
    events = client.events()
    while not (jobs := client.jobs()) or jobs[0].counts.done < frames:
        next(events)


def prepared(window: BlenderWindow) -> None:
    for text in (SETUP.partition("\nscene = ")[0], PRESS):
        window.ask(f"exec({text!r})")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", ["while it writes", "while it waits"])
def test_nothing_of_one_file_gets_into_another(program: str, blender: Blender, tmp_path: Path, moment: str) -> None:
    shots = {name: tmp_path / f"shot_{name}.blend" for name in "ab"}
    with process_farm(tmp_path / "farm", ["one"], blender=program) as farm, virtual_screen() as screen:
        blender.run(FILES, tmp_path, farm.url)
        before = {name: path.read_bytes() for name, path in shots.items()}
        with blender_window(program, screen, blender, shots["a"]) as window:
            prepared(window)
            places.open_render_tab(window)
            started = window.ask(SETTINGS)
            running = f"{SESSION}.animation"
            with farm.client as client:
                if moment == "while it writes":  # many frames in one go
                    window.ask("bpy.press('send')")
                    done(client, FRAMES)
                    window.ask("bpy.press('gather')")
                else:
                    window.ask("bpy.press('animation')")
                    done(client, 3)
                    events = client.events()
                    client.command(client.jobs()[0].id, "pause")
                    while (counts := client.jobs()[0].counts).dispatched:  # what renders ends
                        next(events)
                    window.wait(f"{running}.writing is None and len({running}.gathering.written) == {counts.done}")
            end = time.monotonic() + PATIENCE
            while len(files(tmp_path / "a")) < 2 and time.monotonic() < end:
                time.sleep(LOOK)
            state = "not None" if moment == "while it writes" else "None"
            # Asked and done at once, because Blender writes what has come in several goes, with moments between them.
            window.wait(f"{running}.writing is {state} and bpy.open_file({str(shots['b'])!r}) is None")
            window.wait(f"bpy.data.filepath == {str(shots['b'])!r} and {running} is None")
            prepared(window)
            others = window.ask(SETTINGS)
            note = window.ask(f"{SESSION}.note")
            window.wait("'Animation of shot_a.blend' in bpy.reports()")
            places.open_render_tab(window)
            window.rest()
            screen.picture(tmp_path / f"{moment}.png")
            with farm.client as client:
                if moment == "while it waits":
                    client.command(client.jobs()[0].id, "resume")
                done(client, FRAMES)
            window.rest()
            assert window.ask(SETTINGS) == others
            assert window.ask(f"[len({RESULTS}.sources), len({RESULTS}.engines)]") == [0, 0]
            assert not files(tmp_path / "b"), "a frame was written for the other file"
            written = files(tmp_path / "a")
            assert f"{len(written)} of {FRAMES} frames are written" in note
            assert "open shot_a.blend and press Get Animation" in note
            assert {name: path.read_bytes() for name, path in shots.items()} == before
            window.ask(f"bpy.open_file({str(shots['a'])!r})")
            window.wait(f"bpy.data.filepath == {str(shots['a'])!r}")
            prepared(window)
            window.ask("bpy.press('gather')")
            window.wait(f"{running} is None", patience=5 * PATIENCE)
            window.wait("not bpy.app.is_job_running('RENDER')")
            ended = window.ask(SETTINGS)
            assert [each[:6] for each in ended] == [each[:6] for each in started]
            assert f"{FRAMES} frames" in window.ask(f"{SESSION}.note")
    assert [name for name, *_ in others] == ["Scene"] and others[0][1] == "CYCLES" and others[0][5:] == [1, "", ""]
    assert 2 <= len(written) < FRAMES
    assert len(files(tmp_path / "a")) == FRAMES
    assert pixels.folders(tmp_path / "local", tmp_path / "a") == []
    assert not files(tmp_path / "b")
