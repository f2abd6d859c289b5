"""The newcomer's story: three computers with Blender, and nothing else. Only what a person would press is pressed.

    NETRENDER_BLENDER=BLENDER python -m tests.window.newcomer EXTENSION.zip FOLDER

writes a picture of each step into FOLDER.

Window A starts a Master, window B a Slave, which finds it by itself, and window C presses "Animation on Network".
Each has a screen and a user folder of its own. That the network is theirs alone is up to the caller.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from attrs import define, field

from ..addon.blenders import PROGRAM, ROOT, Blender
from . import places
from .blender_window import PATIENCE, BlenderWindow, blender_window
from .screen import virtual_screen

FRAMES = 20
MASTER, SLAVE, CLIENT = "master", "slave", "client"

SCENE = f"""
import runpy
sys.argv = ["demo_scene.py", arguments[0], "--frames", "{FRAMES}", "--width", "480", "--samples", "12"]
main = runpy.run_path({str(ROOT / "scripts" / "demo_scene.py")!r})["main"]
main()
scene = bpy.context.scene
scene.render.filepath = arguments[1]
bpy.ops.wm.save_mainfile()
"""

RENDERING = "bpy.app.is_job_running('RENDER')"
SESSION = "sys.modules['bl_ext.user_default.netrender.session']"
PLAYBACK = "sys.modules['bl_ext.user_default.netrender.playback']"


@define
class Story:
    program: str
    folder: Path
    pictures: Path
    windows: dict[str, BlenderWindow] = field(factory=dict)

    @property
    def frames(self) -> list[Path]:
        """What has arrived."""
        return sorted((self.folder / "frames").glob("*.png"))

    def blender(self, name: str) -> Blender:
        return Blender(self.folder / name)

    def picture(self, name: str, step: str) -> None:
        self.windows[name].screen.picture(self.pictures / f"{step}.png")

    def tell(self, extension: Path) -> Iterator[str]:
        """All of it; yields what was reached."""
        blend = self.folder / "pearls.blend"
        for name in (MASTER, SLAVE, CLIENT):
            self.blender(name).install(extension)
        self.blender(CLIENT).run(SCENE, blend, self.folder / "frames" / "####")
        with ExitStack() as stack:
            for name in (MASTER, SLAVE, CLIENT):
                self._open(stack, name, blend if name == CLIENT else None)
            yield "three Blenders are open"
            self._start(MASTER, places.MASTER)
            yield "the master runs"
            self._start(SLAVE, places.SLAVE)
            yield "the slave runs"
            client = self.windows[CLIENT]
            places.open_render_tab(client)
            self.picture(CLIENT, "client")
            places.click(client, places.ANIMATION)
            client.wait(f"{SESSION}.animation is not None and {SESSION}.animation.gathering is not None")
            yield "the job is sent"
            client.wait(f"len({SESSION}.animation.gathering.arrived) >= 3 if {SESSION}.animation else True")
            client.screen.push_aside()
            client.wait(f"not {RENDERING}")  # between the frames that it writes it draws what was covered
            client.rest()
            self.picture(CLIENT, "animation")
            self.picture(SLAVE, "slave")
            self.picture(MASTER, "master")
            self._play(client)
            yield "the frames play"
            client.wait(f"{PLAYBACK}._player.film is not None and len({PLAYBACK}._player.film.there) >= 3")
            client.wait(f"{PLAYBACK}._player.film.state({PLAYBACK}._player.film.frame) == 'there'")
            self.picture(CLIENT, "playback")
            client.wait(f"{SESSION}.animation is None", patience=5 * PATIENCE)
            self.picture(CLIENT, "finished")
            yield "the animation is at its end"

    def _open(self, stack: ExitStack, name: str, blend: Path | None) -> None:
        screen = stack.enter_context(virtual_screen())
        arguments = [blend] if blend is not None else []
        window = blender_window(self.program, screen, self.blender(name), *arguments)
        self.windows[name] = stack.enter_context(window)

    def _play(self, window: BlenderWindow) -> None:
        """The rows move a little whenever Blender writes frames, so a click may miss."""
        for _ in range(5):
            places.click(window, places.PLAY)
            if window.ask(f"{PLAYBACK}.is_playing()"):
                return
        raise AssertionError("Play was pressed, and nothing plays")

    def _start(self, name: str, mode: tuple[float, int]) -> None:
        window = self.windows[name]
        places.open_render_tab(window)
        places.click(window, mode)
        window.wait(f"bpy.context.scene.netrender.mode == {name.upper()!r}")
        self.picture(name, f"{name}-mode")
        places.click(window, places.START)
        window.wait(RENDERING)


def main() -> None:
    extension, pictures = sys.argv[1:]
    assert PROGRAM is not None, "NETRENDER_BLENDER names no Blender"
    with tempfile.TemporaryDirectory(prefix="netrender-newcomer-") as folder:
        story = Story(PROGRAM, Path(folder), Path(pictures).resolve())
        for reached in story.tell(Path(extension).resolve()):
            print(reached, flush=True)
        print(f"{len(story.frames)} frames are in the output folder")
        sys.exit(len(story.frames) != FRAMES)


if __name__ == "__main__":
    main()
