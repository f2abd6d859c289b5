"""Playback without a window: what it takes, and from whom."""

from pathlib import Path

import pytest

from ..coordinators import running_coordinator
from ..deliveries import deliver
from ..queued import queue_job
from .blenders import Blender
from .test_session import SESSION

pytestmark = pytest.mark.blender


def test_previews_are_taken_that_are_made_after_the_last_frame_has_come(extended: Blender, tmp_path: Path) -> None:
    script = (
        SESSION
        + """
from unittest import mock
from blender_addon import film, playback

read, come = film.read, threading.Event()
def late(*args):
    come.wait()
    return read(*args)

bpy.context.scene.netrender.address = arguments[0]
with mock.patch.object(film, "read", late):
    player = playback.Player(bpy.context.scene, arguments[1])
    tick_until(lambda: player.film is not None and not player._errand.alive)
    tick_until(lambda: len(player._asked) == 4 and not session._stale)
    tell([sorted(player._asked), sorted(player.film.there), session._tick() is None])
    come.set()
    tick_until(lambda: len(player.film.there) == 4)
player.close()
tell(player.text())
"""
    )
    with running_coordinator(tmp_path / "data") as running:
        with running.client as client:
            job = queue_job(client, tmp_path)
        deliver(running, job, 4)
        waiting, over = extended.run(script, running.url, job).told
    assert waiting == [[1, 2, 3, 4], [], False]
    assert over == "Frame 1   4 of 4 frames are here"
