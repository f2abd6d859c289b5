"""The session of a Blender: threads ask, one timer takes what they tell, and all of it ends."""

from pathlib import Path

import pytest

from ..coordinators import running_coordinator
from ..queued import queue_job
from .blenders import Blender

pytestmark = pytest.mark.blender

SESSION = """
import threading, time
from blender_addon import errands, farm, lists, session
from tests.addon import films
films.enable()
where = errands.Where(arguments[0]) if arguments else None

def tick_until(wanted):
    # As Blender's own timer does, which has no event loop here.
    while not wanted():
        session._tick()
        time.sleep(session.TICK)

def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("netrender")]
"""


def test_the_farm_is_shown_until_nobody_wants_to_see_it(extended: Blender, tmp_path: Path) -> None:
    script = (
        SESSION
        + """
session.watch(where)
tick_until(lambda: session.state.jobs)
rows = bpy.context.window_manager.netrender
session.redraw()
tell([session.is_watching(), session.state.connected, [row.name for row in rows.jobs], threads()])
(watching,) = [thread for thread in threading.enumerate() if thread.name.startswith("netrender")]
session.stop_watching()
watching.join()
tell([session.is_watching(), list(session.state.jobs), len(rows.jobs), threads()])
"""
    )
    with running_coordinator(tmp_path / "data") as running:
        with running.client as client:
            job = queue_job(client, tmp_path)
        seen, after = extended.run(script, running.url).told
    assert seen == [True, True, [job], ["netrender watch"]]
    assert after == [False, [], 0, []]


def test_a_coordinator_that_is_not_there_is_told(extended: Blender) -> None:
    script = (
        SESSION
        + """
session.watch(where)
tick_until(lambda: not session.is_watching())
tell([session.state.connected, session.state.line])
"""
    )
    ((connected, line),) = extended.run(script, "127.0.0.1:9").told
    assert not connected
    assert "no coordinator at http://127.0.0.1:9" in line


def test_messages_are_taken_within_a_budget_and_none_is_lost(extended: Blender) -> None:
    script = (
        SESSION
        + """
taken = []
def take(message):
    taken.append(message)
    time.sleep(2 * session.BUDGET)
say = session.teller(take)
for message in range(3):
    say(message)
for _ in range(4):
    session.drain()
    tell(list(taken))
"""
    )
    assert extended.run(script).told == [[0], [0, 1], [0, 1, 2], [0, 1, 2]]


def test_what_a_cancelled_errand_said_before_is_not_taken(extended: Blender, tmp_path: Path) -> None:
    script = (
        SESSION
        + """
taken, said = [], threading.Event()
def work(client, tell):
    tell("something")
    said.set()
errand = session.run("work", where, work, taken.append)
said.wait()
errand.cancel()
session.drain(10)
tell([str(message) for message in taken])
"""
    )
    with running_coordinator(tmp_path / "data") as running:
        assert extended.run(script, running.url).told == [[]]


def test_one_job_is_sent_at_a_time_and_can_be_cancelled(extended: Blender, tmp_path: Path) -> None:
    script = (
        SESSION
        + """
session.send(where, lambda client, tell: client.closed.wait(), print)
try:
    session.send(where, lambda client, tell: None, print)
except farm.errors.UsageError as error:
    tell(error.message)
tell(session.upload)
bpy.ops.netrender.stop()
tell([session.upload, session.note])
session.send(where, lambda client, tell: None, lambda message: None)
"""
    )
    with running_coordinator(tmp_path / "data") as running:
        refused, upload, stopped = extended.run(script, running.url).told
    assert "another job is being sent" in refused
    assert upload == [0, 0]
    assert stopped == [None, "Sending was cancelled"]


def test_unregistering_ends_threads_and_timer(extended: Blender, tmp_path: Path) -> None:
    script = (
        SESSION
        + """
session.watch(where)
session.send(where, lambda client, tell: client.closed.wait(), print)
tick_until(lambda: session.state.connected)
running = [thread for thread in threading.enumerate() if thread.name.startswith("netrender")]
tell(sorted(thread.name for thread in running))
session.unregister()
for thread in running:
    thread.join()
tell([bpy.app.timers.is_registered(session._tick), threads()])
"""
    )
    with running_coordinator(tmp_path / "data") as running:
        assert extended.run(script, running.url).told == [["netrender send", "netrender watch"], [False, []]]


def test_what_fails_at_a_tick_ends_alone(extended: Blender) -> None:
    script = (
        SESSION
        + """
from blender_addon import animation
ticks = []
session.each_tick(lambda: ticks.append(1 / 0))
session.each_tick(lambda: ticks.append(1))
running = animation.prepared(bpy.context.scene, errands.Where(), session.cache(), None, 1)
class Broken:
    def restore(self):
        return 1 / 0
running.writing = Broken()
session.begin(lambda tell: running)
tell_it = session.teller(lambda message: ticks.append(1 / message))
tell_it(0)
tell_it(1)
for _ in range(2):
    assert session._tick() is not None
tell([ticks, session.over(), running.problems])
"""
    )
    answer = extended.run(script)
    assert answer.told == [[[1, 1, 1], True, ["ZeroDivisionError: division by zero"]]]
    assert sum("ZeroDivisionError" in line for line in answer.printed) == 3, "each is told once"
