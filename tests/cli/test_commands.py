"""The commands against a real coordinator, with a slave that needs no Blender."""

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coordinator.client import Client
from coordinator.protocol.messages import FrameDone, JobChanged
from coordinator.protocol.states import ENDED

from ..coordinators import RunningCoordinator
from ..queued import queue_job
from ..scripted_slave import rendered, scripted_slave
from .commands import error, netrender, start


@pytest.fixture
def client(coordinator: RunningCoordinator) -> Iterator[Client]:
    with coordinator.client as client:
        yield client


def finish(coordinator: RunningCoordinator, client: Client, job: str, fails: int | None = None) -> None:
    """Let a slave end the job; one frame may fail."""

    def render(frame: int) -> bytes | None:
        return None if frame == fails else rendered(frame)

    with closing(client.events(job)) as stream, scripted_slave(coordinator.url, permits=99, render=render):
        next(event for event in stream if isinstance(event, JobChanged) and event.job.state in ENDED)


def test_jobs_are_listed_for_people_and_programs(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    assert json.loads(netrender("jobs", "--json", "--coordinator", coordinator.url).stdout) == []
    job = queue_job(client, tmp_path, name="a very long name " * 8)
    [listed] = json.loads(netrender("jobs", "--json", "--coordinator", coordinator.url).stdout)
    assert (listed["id"], listed["state"]) == (job, "queued")
    head, line = netrender("jobs", "--coordinator", coordinator.url).stdout.splitlines()
    assert head.split() == ["id", "name", "state", "frames", "errors", "priority", "created"]
    assert line.startswith(f"{job}  {'a very long name ' * 8}".rstrip())
    assert "0 of 4" in line


def test_one_job_is_shown(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    job = queue_job(client, tmp_path)
    finish(coordinator, client, job, fails=3)
    text = netrender("job", job[:6], "--coordinator", coordinator.url).stdout
    assert text.startswith(f"job {job} (scene): finished")
    assert "frames 1-4: 3 done, 0 with slaves, 0 queued, 1 failed" in text
    assert "scripted: 3 frames (100%)" in text
    assert "frame 3 failed: " in text
    shown = json.loads(netrender("job", job, "--json", "--coordinator", coordinator.url).stdout)
    assert shown["job"]["counts"]["error"] == 1
    assert {frame["frame"]: frame["state"] for frame in shown["frames"]}[3] == "error"


def test_slaves_are_listed(coordinator: RunningCoordinator) -> None:
    with scripted_slave(coordinator.url, "ada"):
        head, line = netrender("slaves", "--coordinator", coordinator.url).stdout.splitlines()
        [slave] = json.loads(netrender("slaves", "--json", "--coordinator", coordinator.url).stdout)
    assert head.split() == ["name", "host", "blender", "threads", "confined", "doing"]
    assert line.split() == ["ada", "ada.local", "9.9.0", "2", "no", "idle"]
    assert (slave["name"], slave["connected"]) == ("ada", True)


def test_a_job_is_paused_resumed_cancelled_and_reset(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job = queue_job(client, tmp_path)
    where = ("--coordinator", coordinator.url)
    assert netrender("pause", job, *where).stdout.startswith(f"job {job} (scene): paused")
    assert json.loads(netrender("resume", job[:8], "--json", *where).stdout)["state"] == "queued"
    assert netrender("cancel", job, *where).stdout.startswith(f"job {job} (scene): cancelled")
    assert job in error("pause", job, *where, code=1)
    assert netrender("reset", job, *where).stdout.startswith(f"job {job} (scene): queued")
    assert "no job 'zz'" in error("cancel", "zz", *where)


def test_gather_brings_the_frames_and_tells_how_it_went(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job, out = queue_job(client, tmp_path), tmp_path / "out"
    where = ("--coordinator", coordinator.url, "--output", out)
    finish(coordinator, client, job)
    done = netrender("gather", job, *where)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        f"000{frame}.exr": rendered(frame) for frame in (1, 2, 3, 4)
    }
    lines = done.stdout.splitlines()
    assert lines[0] == f"job {job} (scene) finished: 4 of 4 frames in {out}"
    assert lines[1].startswith("started 2")
    assert ", ended 2" in lines[1]
    assert lines[1].endswith("frames a minute")
    assert lines[2] == "  scripted: 4 frames (100%)"
    assert "(4 of 4" in done.stderr
    *events, summary = map(json.loads, netrender("gather", job, *where, "--json").stdout.splitlines())
    assert {event["type"] for event in events} <= {"frame-saved", "job-changed"}
    assert (summary["type"], summary["saved"], summary["failed"]) == ("summary", 4, {})
    assert netrender("gather", job, *where, "--frames", "2").stdout.startswith(f"job {job} (scene) finished: 1 of 1")
    assert "has no frame 9" in error("gather", job, *where, "--frames", "9")


def test_gather_ends_with_1_if_a_frame_failed(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    job = queue_job(client, tmp_path)
    finish(coordinator, client, job, fails=2)
    done = netrender("gather", job, "--coordinator", coordinator.url, "--output", tmp_path / "out", code=1)
    assert "3 of 4 frames" in done.stdout
    assert "frame 2 failed: " in done.stdout


def test_gather_without_waiting(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    job = queue_job(client, tmp_path)
    where = ("--coordinator", coordinator.url, "--output", tmp_path / "out")
    assert "not done: 1-4" in netrender("gather", job, *where, "--no-wait").stdout


def test_an_interrupted_gather_says_how_to_go_on(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job = queue_job(client, tmp_path)
    with start("gather", job, "--coordinator", coordinator.url, "--output", tmp_path / "out") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(f"netrender: job {job}: queued")  # it watches
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert f"job {job} goes on" in said
    assert f"netrender gather {job} --output {tmp_path / 'out'} --coordinator {coordinator.url}" in said
    assert client.job(job).state == "queued"


def test_a_log_is_printed_and_followed_to_the_end_of_the_frame(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job = queue_job(client, tmp_path, frames="1-2")
    where = ("--coordinator", coordinator.url)
    with closing(client.events(job)) as stream, scripted_slave(coordinator.url, permits=1) as slave:
        next(event for event in stream if isinstance(event, FrameDone))
        with start("log", job, "2", "--follow", *where) as process:
            slave.allow(1)
            text, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "log of 2" in text
    assert "log of 1" in netrender("log", job, "1", *where).stdout
    assert netrender("log", job, "1", "--follow", *where).stdout == netrender("log", job, "1", *where).stdout
    assert "frame 9" in error("log", job, "9", *where)


def test_a_reader_that_goes_away_is_no_error(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    queue_job(client, tmp_path)
    with start("jobs", "--coordinator", coordinator.url) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "")
