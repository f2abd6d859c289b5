"""The disk under a coordinator is full for a while: it says so, and loses no frame, and goes on by itself."""

from collections.abc import Generator
from pathlib import Path

import pytest

from coordinator.protocol import messages
from coordinator.protocol.states import JobState
from tests import exr, reference, scenes
from tests.process_farm import ProcessFarm, process_farm
from tests.tmpfs import Disk, disk, needs_tmpfs

pytestmark = [pytest.mark.blender, needs_tmpfs]

FRAMES = 12
SIZE = 6 * 2**20
Events = Generator[messages.Event | None, None, None]


def problem(events: Events, *, over: bool) -> str:
    """Wait until the coordinator says that its disk is full, or has room again."""
    for event in events:
        if isinstance(event, messages.ProblemChanged) and (event.problem == "") is over:
            return event.problem
    raise AssertionError("the stream ended")


def done(events: Events, frames: int) -> None:
    for event in events:
        frames -= isinstance(event, messages.FrameDone)
        if not frames:
            return


def nothing_was_lost(farm: ProcessFarm, job: str, folder: Path, local: Path) -> None:
    frames = farm.gather(job, folder)
    info = farm.client.job(job)
    assert info.state is JobState.FINISHED and info.counts.done == FRAMES
    assert [frame.attempts for frame in farm.client.frames(job)] == [0] * FRAMES, "no frame is blamed"
    assert not any(slave.sick for slave in farm.client.slaves()) and not info.barred
    for frame in frames:
        assert exr.differences(local / frame.name, frame) == []


def full_for_a_while(farm: ProcessFarm, small: Disk, job: str, events: Events, blend: Path) -> None:
    """Fill the disk, see what everybody says, make room."""
    small.fill()
    text = problem(events, over=False)
    assert "disk is full" in text and str(small.folder) in text and "free some space" in text
    refused = farm.run("submit", str(blend), "--frames", "1-3", "--coordinator", farm.url, check=False)
    assert refused.returncode == 1 and "disk is full" in refused.stderr, refused
    for command in (("jobs",), ("job", job), ("slaves",)):
        answer = farm.run(*command, "--coordinator", farm.url)
        assert "disk is full" in answer.stderr and answer.stdout, command
    assert farm.coordinator is not None and farm.coordinator.poll() is None
    assert all(slave.poll() is None for slave in farm.slaves.values())
    small.empty()
    problem(events, over=True)


def test_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Filled twice while the job renders, and once before the first slave is there."""
    blend = scenes.build("simple", tmp_path / "scene.blend", frames=FRAMES, samples=200)
    local = reference.render(blend, tmp_path / "local", f"1-{FRAMES}")
    with disk(tmp_path / "farm" / "data", SIZE) as small, process_farm(tmp_path / "farm") as farm:
        events = farm.client.events()
        job = farm.submit(blend, "--chunk", "2")
        small.fill()
        farm.start_slave("slave-1")
        farm.start_slave("slave-2")
        full_for_a_while(farm, small, job, events, blend)
        for moment in (2, 3):
            done(events, moment)
            full_for_a_while(farm, small, job, events, blend)
        nothing_was_lost(farm, job, tmp_path / "frames", local)


def test_results_that_fill_it_wait_on_the_slaves(tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "scene.blend", frames=FRAMES, samples=20, width=160, height=120)
    local = reference.render(blend, tmp_path / "local", f"1-{FRAMES}")
    size = sum(file.stat().st_size for file in local.iterdir())
    with disk(tmp_path / "farm" / "data", SIZE + size) as small, process_farm(tmp_path / "farm", ["slave-1"]) as farm:
        events = farm.client.events()
        job = farm.submit(blend)
        small.fill(leave=size // 2)
        problem(events, over=False)
        small.empty()
        problem(events, over=True)
        nothing_was_lost(farm, job, tmp_path / "frames", local)
