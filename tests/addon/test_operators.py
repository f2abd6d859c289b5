"""Operators on jobs and slaves, called by a script: each returns when it is done."""

from pathlib import Path

import pytest

from coordinator.protocol.states import JobState

from ..coordinators import running_coordinator
from ..queued import queue_job
from ..scripted_slave import scripted_slave
from .blenders import Blender

pytestmark = pytest.mark.blender

ENABLED = """
from tests.addon import films
films.enable()
scene = bpy.context.scene
if arguments:
    scene.netrender.address = arguments[0]
"""


def test_a_job_is_paused_resumed_cancelled_and_brought_back(extended: Blender, tmp_path: Path) -> None:
    script = (
        ENABLED
        + """
from blender_addon import errands, session
client = errands.connect(session.where(scene))
def state():
    return client.job(arguments[1]).state
def refused(call):
    try:
        call()
    except RuntimeError as error:
        return str(error)
for name in ("pause", "resume", "cancel", "reset"):
    tell([list(getattr(bpy.ops.netrender, name)(job=arguments[1])), state()])
tell(refused(lambda: bpy.ops.netrender.resume(job=arguments[1])))
tell(refused(bpy.ops.netrender.pause))
scene.netrender.job = arguments[1]
bpy.ops.netrender.pause()
tell(state())
"""
    )
    with running_coordinator(tmp_path / "data") as running:
        with running.client as client:
            job = queue_job(client, tmp_path)
        *moves, conflict, unnamed, last = extended.run(script, running.url, job).told
    assert moves == [[["FINISHED"], state] for state in ("paused", "queued", "cancelled", "queued")]
    assert f"job {job} is queued, not paused" in conflict
    assert "no job was sent from this scene yet" in unnamed
    assert last == JobState.PAUSED


def test_the_log_of_what_failed_is_a_text(extended: Blender, tmp_path: Path) -> None:
    script = ENABLED + "bpy.ops.netrender.log(job=arguments[1])\ntell({t.name: t.as_string() for t in bpy.data.texts})"
    with running_coordinator(tmp_path / "data") as running, running.client as client:
        job = queue_job(client, tmp_path, "1-2", name="pearls")
        events = client.events(job)
        with scripted_slave(running.url, permits=10, render=lambda frame: None if frame == 2 else b"a frame"):
            while client.job(job).state is not JobState.FINISHED:
                next(events)
        (texts,) = extended.run(script, running.url, job).told
    (text,) = texts.values()
    assert list(texts) == ["log of pearls"]
    assert "frame 2: error on scripted, it was told to fail" in text
    assert "log of 2" in text
    assert "log of 1" not in text, "that one is rendered"


def test_slaves_are_ticked_and_unticked(extended: Blender) -> None:
    script = (
        ENABLED
        + """
from blender_addon import properties
def told():
    tell([properties.is_allowed(scene, "one"), properties.refused_slaves(scene)])
told()
for _ in range(2):
    bpy.ops.netrender.allow(slave="one")
    told()
"""
    )
    assert extended.run(script).told == [[True, []], [False, ["one"]], [True, []]]


def test_a_job_is_sent_with_its_settings(extended: Blender, tmp_path: Path) -> None:
    script = (
        ENABLED
        + """
settings = scene.netrender
settings.engine, settings.name, settings.frames = "CYCLES", "film", "1-9x2"
settings.chunk, settings.priority, settings.tags = 3, 7, "fast, big"
for slave in ("one", "two", "two"):
    bpy.ops.netrender.allow(slave=slave)
bpy.ops.netrender.send()
tell(settings.job)
"""
    )
    with running_coordinator(tmp_path / "data") as running, running.client as client:
        (job,) = extended.run(script, running.url).told
        sent = client.manifest(job)
    assert (sent.name, sent.frames, sent.chunk, sent.priority) == ("film", "1,3,5,7,9", 3, 7)
    assert sent.tags == ("fast", "big")
    assert sent.never_slaves == ("one",)
    assert sent.render.engine == "CYCLES"


def test_without_a_window_nothing_is_played(extended: Blender) -> None:
    script = (
        ENABLED
        + """
try:
    bpy.ops.netrender.play()
except RuntimeError as error:
    tell(str(error))
"""
    )
    (said,) = extended.run(script).told
    assert "nothing can be played without a window" in said
