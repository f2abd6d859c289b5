"""The film that plays while it renders, in a real window: what is seen grows with what has come."""

from pathlib import Path

import numpy
import pytest
from PIL import Image

from ..addon.blenders import Blender
from ..coordinators import running_coordinator
from ..deliveries import deliver
from ..queued import queue_job
from . import places
from .blender_window import blender_window
from .screen import Screen, virtual_screen

pytestmark = pytest.mark.blender

PLAYBACK = "sys.modules['bl_ext.user_default.netrender.playback']"
HERE = (71, 143, 204)  # the strip's colour for frames that are there
LIKE = 4  # how much a colour may differ
FRAMES = 40


def strip(screen: Screen, path: Path) -> int:
    """How many pixels of the strip say that a frame is there."""
    with Image.open(screen.picture(path)) as image:
        pixels = numpy.asarray(image.convert("RGB"), int)
    return int((abs(pixels - HERE) <= LIKE).all(axis=2).sum())


def test_more_frames_are_seen_as_they_come(program: str, blender: Blender, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    film = f"{PLAYBACK}._player.film"
    seen = []
    with running_coordinator(tmp_path / "data") as running, virtual_screen() as screen:
        with running.client as client:
            job = queue_job(client, tmp_path, f"1-{FRAMES}", name="film")
        with blender_window(program, screen, blender) as window:
            places.open_render_tab(window)
            window.ask(f"setattr(bpy.context.scene.netrender, 'address', {running.url!r})")
            window.ask(f"setattr(bpy.context.scene.netrender, 'job', {job!r})")
            places.click(window, places.PLAY)
            window.wait(f"{PLAYBACK}.is_playing()")
            for count in (FRAMES // 4, FRAMES // 2, FRAMES):
                deliver(running, job, count)
                window.wait(f"{film} is not None and len({film}.there) == {count}")
                window.rest()
                seen.append(strip(screen, pictures / f"{count}.png"))
    first, second, last = seen
    assert 0 < first < second < last, f"pictures are in {pictures}"
    assert abs(last - 4 * first) < first, "the strip shows all frames of the job"
