import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from coordinator import errors
from coordinator.client import Client
from coordinator.gathering import CoordinatorLost, FrameSaved, Gathered, Happening, frame_name, gather
from coordinator.protocol.frames import FrameRange
from coordinator.protocol.messages import FrameStarted, JobChanged
from coordinator.protocol.states import JobState

from .coordinators import RunningCoordinator, running_coordinator
from .disks import small_disk
from .queued import queue_job
from .scripted_slave import rendered, scripted_slave


@pytest.fixture
def client(coordinator: RunningCoordinator) -> Iterator[Client]:
    with coordinator.client as client:
        yield client


class Watch:
    """Keeps what happens, and lets the test wait for it."""

    def __init__(self) -> None:
        self.events: list[Happening] = []
        self._changed = threading.Condition()

    def __call__(self, event: Happening) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, kind: type, count: int = 1) -> None:
        def enough() -> bool:
            return sum(isinstance(event, kind) for event in self.events) >= count

        with self._changed:
            assert self._changed.wait_for(enough, timeout=30), self.events

    def saved(self) -> list[int]:
        return [event.frame for event in self.events if isinstance(event, FrameSaved)]


def start(client: Client, job: str, output: Path, watch: Watch, frames: str = "") -> Future[Gathered]:
    """``gather`` on a thread."""
    pool = ThreadPoolExecutor(1)
    asked = FrameRange.parse(frames) if frames else None
    future = pool.submit(gather, client, job, asked, output, wait=True, on_event=watch)
    pool.shutdown(wait=False)
    return future


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("frame", "name"), [(1, "0001"), (12345, "12345"), (0, "0000"), (-1, "-0001")])
def test_frames_are_numbered_as_blender_does(frame: int, name: str) -> None:
    assert frame_name(frame) == f"{name}.exr"


def test_each_frame_is_saved_as_soon_as_it_is_done(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job, watch, out = queue_job(client, tmp_path, frames="-1-2"), Watch(), tmp_path / "out"
    with scripted_slave(coordinator.url) as slave:
        ending = start(client, job, out, watch)
        slave.allow(2)  # the second frame's events tell that the first was saved
        watch.wait_for(FrameSaved, 1)
        assert not ending.done()
        slave.allow(2)
        gathered = ending.result(timeout=30)
    assert files(out) == {frame_name(frame): rendered(frame) for frame in (-1, 0, 1, 2)}
    assert (gathered.saved, gathered.complete, gathered.failed, len(gathered.undone)) == (4, True, {}, 0)
    assert gathered.job.state is JobState.FINISHED
    assert gathered.job.slaves == {"scripted": 4}


def test_only_the_frames_that_were_asked_for(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    job, watch, out = queue_job(client, tmp_path, frames="1-9"), Watch(), tmp_path / "out"
    with scripted_slave(coordinator.url, permits=9):
        gathered = start(client, job, out, watch, "2,4").result(timeout=30)
    assert sorted(files(out)) == ["0002.exr", "0004.exr"]
    assert (gathered.saved, len(gathered.frames)) == (2, 2)
    with pytest.raises(errors.BadFramesError, match="has no frame 10-11; its frames are 1-9"):
        gather(client, job, FrameRange.parse("9-11"), out, wait=False)


def test_what_is_there_is_not_downloaded_again_and_what_differs_is_replaced(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job, watch, out = queue_job(client, tmp_path, frames="1-3"), Watch(), tmp_path / "out"
    with scripted_slave(coordinator.url, permits=3):
        start(client, job, out, watch).result(timeout=30)
    (out / "0002.exr").write_bytes(b"frame X")  # as long as the right one
    (out / "0003.exr").unlink()
    again = Watch()
    assert gather(client, job, None, out, wait=False, on_event=again).complete
    downloaded = {event.frame: event.downloaded for event in again.events if isinstance(event, FrameSaved)}
    assert downloaded == {1: False, 2: True, 3: True}
    assert files(out) == {frame_name(frame): rendered(frame) for frame in (1, 2, 3)}


def test_without_waiting_it_brings_what_is_done(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job, watch, out = queue_job(client, tmp_path, frames="1-4"), Watch(), tmp_path / "out"
    with scripted_slave(coordinator.url, permits=2):
        start(client, job, out, watch, "1-2").result(timeout=30)
        gathered = gather(client, job, None, out, wait=False)
    assert (gathered.saved, str(gathered.undone), gathered.complete) == (2, "3-4", False)


def test_a_frame_that_was_given_up_is_reported(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    def render(frame: int) -> bytes | None:
        return None if frame == 2 else rendered(frame)

    job, watch, out = queue_job(client, tmp_path, frames="1-3"), Watch(), tmp_path / "out"
    with scripted_slave(coordinator.url, permits=99, render=render):
        gathered = start(client, job, out, watch).result(timeout=30)
    assert sorted(files(out)) == ["0001.exr", "0003.exr"]
    assert list(gathered.failed) == [2]
    assert "it was told to fail" in gathered.failed[2]
    # And also when nobody watched while it failed.
    assert gather(client, job, None, out, wait=True).failed == gathered.failed


def test_a_cancelled_job_ends_the_waiting(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    job, watch = queue_job(client, tmp_path, frames="1-3"), Watch()
    ending = start(client, job, tmp_path / "out", watch)
    watch.wait_for(JobChanged)
    client.command(job, "cancel")
    gathered = ending.result(timeout=30)
    assert (gathered.job.state, str(gathered.undone)) == (JobState.CANCELLED, "1-3")


def test_a_restart_of_the_coordinator_is_survived(tmp_path: Path) -> None:
    watch, out = Watch(), tmp_path / "out"
    with running_coordinator(tmp_path / "data") as first:
        client = first.client
        job = queue_job(client, tmp_path, frames="1-4")
        with scripted_slave(first.url) as slave:
            ending = start(client, job, out, watch)
            watch.wait_for(JobChanged)
            slave.allow(2)
            watch.wait_for(FrameStarted, 2)
    # Leaving this block stopped the coordinator.
    with client:
        watch.wait_for(CoordinatorLost)
        with (
            running_coordinator(tmp_path / "data", first.port) as second,
            scripted_slave(second.url, "other", permits=9),
        ):
            gathered = ending.result(timeout=30)
    assert gathered.complete
    assert files(out) == {frame_name(frame): rendered(frame) for frame in (1, 2, 3, 4)}
    assert sorted(watch.saved()) == [1, 2, 3, 4]


def test_a_coordinator_that_does_not_come_back_ends_the_patience(tmp_path: Path) -> None:
    watch, pool = Watch(), ThreadPoolExecutor(1)
    with running_coordinator(tmp_path / "data") as running:
        client = running.client
        job = queue_job(client, tmp_path)
        ending = pool.submit(gather, client, job, None, None, wait=True, on_event=watch, patience=0.0)
        watch.wait_for(JobChanged)
    with client, pytest.raises(errors.UnreachableError):
        ending.result(timeout=30)
    pool.shutdown()


def test_closing_the_client_ends_the_waiting(tmp_path: Path) -> None:
    watch = Watch()
    with running_coordinator(tmp_path / "data") as running:
        client = running.client
        ending = start(client, queue_job(client, tmp_path), tmp_path / "out", watch)
        watch.wait_for(JobChanged)
    watch.wait_for(CoordinatorLost)
    client.close()
    with pytest.raises(errors.UnreachableError):
        ending.result(timeout=30)


def test_an_output_that_cannot_be_written_is_found_first(client: Client, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(errors.StorageError, match="out"):
        gather(client, queue_job(client, tmp_path), None, tmp_path / "out", wait=True)


def test_a_full_disk_is_told_with_what_is_there_and_it_goes_on_when_there_is_room(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job = queue_job(client, tmp_path, frames="1-9")
    large = {frame: bytes([frame]) * 300_000 for frame in range(1, 10)}
    with small_disk(tmp_path / "disk", 2) as disk, scripted_slave(coordinator.url, permits=9, render=large.get):
        out = disk.folder / "out"
        with pytest.raises(
            errors.StorageError, match=r"no space left in .*make room.* of 9 frames are there, not "
        ) as e:
            gather(client, job, None, out, wait=True)
        whole = {path.name for path in out.iterdir()}
        assert whole and all(path.stat().st_size == 300_000 for path in out.iterdir()), "whole, or not there"
        assert f"{len(whole)} of 9 frames" in e.value.message
        for path in [*out.iterdir()][1:]:  # somebody makes room
            path.unlink()
            whole.discard(path.name)
        watch = Watch()
        assert gather(client, job, FrameRange.parse("1-5"), out, wait=True, on_event=watch).complete
        assert sum(not event.downloaded for event in watch.events if isinstance(event, FrameSaved)) <= 1
        assert {path.read_bytes() for path in out.iterdir()} >= {large[frame] for frame in range(1, 6)}
