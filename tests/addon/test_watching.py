"""What panels draw of the farm: kept up by events, over a restart of the coordinator."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from blender_addon import errands, watching
from coordinator.protocol import messages
from coordinator.protocol.jobs import Counts, JobInfo, SlaveInfo
from coordinator.protocol.states import JobState

from ..coordinators import RunningCoordinator, running_coordinator
from ..queued import queue_job
from ..scripted_slave import scripted_slave


def job(**changes: Any) -> JobInfo:
    facts: dict[str, Any] = {
        "id": "00000000000000aa",
        "name": "pearls",
        "state": JobState.QUEUED,
        "reason": "",
        "frames": "1-4",
        "counts": Counts(queued=4),
        "priority": 1,
        "blender": "",
        "created": 1.0,
        "started": None,
        "finished": None,
        "slaves": {},
    }
    return JobInfo(**facts | changes)


def slave(**changes: Any) -> SlaveInfo:
    facts: dict[str, Any] = {
        "id": "1" * 32,
        "name": "one",
        "host": "host",
        "blender": "4.5.1",
        "threads": 2,
        "features": (),
        "connected": True,
        "job": "",
        "frame": None,
        "last_seen": 1.0,
    }
    return SlaveInfo(**facts | changes)


def farm(*events: Any) -> watching.Farm:
    known = watching.Farm()
    for event in (messages.JobChanged(job=job()), messages.SlaveChanged(slave=slave()), *events):
        known.take(event)
    return known


JOB = job().id
DISPATCHED = messages.FrameDispatched(job=JOB, frame=1, slave="one")
STARTED = messages.FrameStarted(job=JOB, frame=1, slave="one")
DONE = messages.FrameDone(job=JOB, frame=1, slave="one", seconds=1.0, sha256="0" * 64, size=1)


def failed(*, final: bool) -> messages.FrameFailed:
    return messages.FrameFailed(job=JOB, frame=1, slave="one", message="no", final=final)


def test_counts_follow_the_events_between_two_reports_of_a_job() -> None:
    def counts(*events: Any) -> Counts:
        return farm(*events).jobs[JOB].counts

    assert counts(DISPATCHED) == Counts(queued=3, dispatched=1)
    assert counts(DISPATCHED, DONE) == Counts(queued=3, done=1)
    assert counts(DISPATCHED, failed(final=True)) == Counts(queued=3, error=1)
    assert counts(DISPATCHED, failed(final=False)) == Counts(queued=4)
    assert counts(DISPATCHED, messages.FrameQueued(job=JOB, frame=1, reason="")) == Counts(queued=4)
    assert counts(DISPATCHED, messages.JobChanged(job=job())) == Counts(queued=4), "what is reported holds"


def test_frames_done_are_counted_by_slave() -> None:
    assert farm(DISPATCHED, DONE).jobs[JOB].slaves == {"one": 1}


def test_events_of_a_job_that_is_not_known_change_nothing() -> None:
    known = farm(messages.FrameDispatched(job="00000000000000bb", frame=1, slave="one"))
    assert list(known.jobs) == [JOB]


def test_what_a_slave_does() -> None:
    def doing(*events: Any) -> str:
        known = farm(*events)
        return known.doing(next(iter(known.slaves.values())))

    assert doing() == "Waits for work"
    assert doing(STARTED) == "pearls, frame 1"
    assert doing(STARTED, DONE) == "Waits for work"
    assert doing(STARTED, messages.FrameStarted(job=JOB, frame=2, slave="one"), DONE) == "pearls, frame 2", (
        "it sends a frame while it renders the next"
    )
    assert doing(STARTED, messages.SlaveChanged(slave=slave(connected=False))) == "Away"
    assert doing(messages.SlaveChanged(slave=slave(job=JOB, frame=3))) == "pearls, frame 3", "when we began to look"


def test_how_far_a_slave_is_with_its_frame() -> None:
    known = farm(STARTED)
    (info,) = known.slaves.values()
    assert known.samples(info) == ""
    known.take(messages.FrameProgress(job=JOB, frame=1, slave="one", sample=3, samples=16))
    assert (known.doing(info), known.samples(info)) == ("pearls, frame 1", "Sample 3 of 16")


def test_why_nothing_is_rendered() -> None:
    def hint(*events: Any) -> str:
        return farm(*events).hint(JOB, (4, 5, 1))

    assert hint() == ""
    assert "start one" in hint(messages.SlaveChanged(slave=slave(connected=False)))
    assert hint(messages.SlaveChanged(slave=slave(blender="4.2.9"))) == (
        "No slave has Blender 4.5 or later; the latest is 4.2.9"
    )
    assert hint(messages.SlaveChanged(slave=slave(blender="4.10.0"))) == "", "versions are numbers"
    assert hint(messages.SlaveChanged(slave=slave(connected=False)), DISPATCHED) == ""


def test_the_order_of_lists() -> None:
    newer = job(id="00000000000000bb", created=2.0)
    away = slave(id="2" * 32, name="a", connected=False)
    known = farm(messages.JobChanged(job=newer), messages.SlaveChanged(slave=away))
    assert known.job_ids() == [newer.id, JOB]
    assert known.slave_ids() == ["1" * 32, "2" * 32]


def test_the_key_is_not_on_the_screen() -> None:
    known = farm(errands.Connected("netrender://host:8470/#secret"), watching.Anew())
    assert known.connected
    assert "secret" not in known.line


@contextmanager
def followed(running: RunningCoordinator) -> Iterator[Callable[[Callable[[watching.Farm], object]], watching.Farm]]:
    """Hands out a function that waits until the farm, as it is told, is as the test wants it."""
    told: SimpleQueue[Any] = SimpleQueue()
    known = watching.Farm()
    with running.client as client:
        thread = threading.Thread(target=watching.follow, args=(client, told.put))
        thread.start()

        def until(wanted: Callable[[watching.Farm], object]) -> watching.Farm:
            while not wanted(known):
                known.take(told.get(timeout=60))
            return known

        try:
            yield until
        finally:
            client.close()
            thread.join()


def test_a_farm_is_followed_to_the_end_of_a_job(tmp_path: Path) -> None:
    with running_coordinator(tmp_path / "data") as running, followed(running) as until:
        until(lambda known: known.connected)
        with running.client as client:
            queued = queue_job(client, tmp_path, "1-3")
        with scripted_slave(running.url) as renders:
            renders.allow(3)
            known = until(lambda known: queued in known.jobs and known.jobs[queued].state is JobState.FINISHED)
            assert known.jobs[queued].counts == Counts(done=3)
            assert known.jobs[queued].slaves == {"scripted": 3}
            assert [each.name for each in known.slaves.values() if each.connected] == ["scripted"]
        until(lambda known: not any(each.connected for each in known.slaves.values()))


def test_it_is_followed_again_when_the_coordinator_is_back(tmp_path: Path) -> None:
    with running_coordinator(tmp_path / "data") as running:
        port = running.port
        with running.client as client:
            queued = queue_job(client, tmp_path)
        follow = followed(running)
        until = follow.__enter__()
        until(lambda known: queued in known.jobs)
    try:
        lost = until(lambda known: not known.connected)
        assert str(port) in lost.line, "why is told"
        with running_coordinator(tmp_path / "data", port):
            again = until(lambda known: known.connected and known.jobs)
            assert list(again.jobs) == [queued]
    finally:
        follow.__exit__(None, None, None)


def test_a_full_disk_of_the_coordinator_stands_in_the_line_about_it() -> None:
    known = farm(errands.Connected(line="netrender://host:8470/#key"), watching.Anew())
    assert known.line == "netrender://host:8470/"
    known.take(messages.ProblemChanged(problem="its disk is full"))
    assert known.line == "its disk is full" and known.connected
    known.take(messages.ProblemChanged(problem=""))
    assert known.line == "netrender://host:8470/"


def test_a_slave_that_cannot_render_says_why() -> None:
    for changes, text in ({"aside": "the disk is full"}, "Set aside: the disk is full"), ({"sick": "it fails"}, "Sick"):
        one = slave(**changes)
        assert farm().doing(one) == text
        assert farm().doing(slave(connected=False, **changes)) == "Away"
