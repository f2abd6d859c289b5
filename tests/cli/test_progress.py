"""What is shown while a job renders."""

import json
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from coordinator.cli.output import duration
from coordinator.cli.progress import BarWatcher, watching
from coordinator.gathering import CoordinatorLost, FrameSaved, Happening
from coordinator.protocol.frames import FrameRange
from coordinator.protocol.jobs import Counts, JobInfo
from coordinator.protocol.messages import (
    FrameDone,
    FrameFailed,
    FrameProgress,
    FrameQueued,
    FrameStarted,
    JobChanged,
    ProblemChanged,
)
from coordinator.protocol.states import JobState

FRAMES = FrameRange.parse("1-4")
HAPPENINGS: list[Happening] = [
    FrameStarted(job="j", frame=1, slave="ada"),
    FrameProgress(job="j", frame=1, slave="ada", sample=8, samples=16),
    FrameDone(job="j", frame=1, slave="ada", seconds=0.5, sha256="", size=1),
    FrameSaved(frame=1, path="/out/0001.exr", downloaded=True),
    FrameSaved(frame=2, path="/out/0002.exr", downloaded=False),
    FrameDone(job="j", frame=99, slave="ada", seconds=0.5, sha256="", size=1),  # nobody asked for it
    FrameFailed(job="j", frame=3, slave="ada", message="out of memory", final=False),
    FrameFailed(job="j", frame=3, slave="bob", message="out of memory", final=True),
    FrameQueued(job="j", frame=4, reason="bob was lost"),
    ProblemChanged(problem="its disk is full"),
    ProblemChanged(problem=""),
    CoordinatorLost(message="It is gone."),
]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (42.12, "42.1 s"), (187, "3:07"), (7387.4, "2:03:07"), (59.99, "60.0 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lines_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(FRAMES, json=False) as watcher:
        for happening in HAPPENINGS:
            watcher(happening)
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0].startswith("netrender: frame 1: 0.5 s on ada (1 of 4, ")
    assert lines[1].startswith("netrender: frame 2: 0002.exr was there already (2 of 4, ")
    assert lines[2:] == [
        "netrender: frame 3: failed on ada, goes to another slave: out of memory",
        "netrender: frame 3: failed on bob, given up: out of memory",
        "netrender: frame 4: queued again: bob was lost",
        "netrender: its disk is full",
        "netrender: the coordinator's disk has room again",
        "netrender: It is gone. Trying again.",
    ]


def test_json_lines_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(FRAMES, json=True) as watcher:
        for happening in HAPPENINGS:
            watcher(happening)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines][:4] == ["frame-started", "frame-progress", "frame-done", "frame-saved"]
    assert lines[-1] == {"type": "coordinator-lost", "message": "It is gone."}


def test_bars_on_a_terminal() -> None:
    console = Console(force_terminal=True, width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file, Progress(console=console, auto_refresh=False) as bar:
        watcher = BarWatcher(FRAMES, bar)
        for happening in HAPPENINGS:
            watcher(happening)
        tasks = {task.description: task for task in bar.tasks}
    assert set(tasks) == {"frames", "ada"}
    assert (tasks["frames"].completed, tasks["frames"].total) == (2, 4)
    assert tasks["ada"].fields["note"] == "frame 99"
    said = console.export_text(clear=False)
    assert "failed on bob" in said and "its disk is full" in said and "has room again" in said


def test_what_a_job_waits_for_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    full = "waits for a slave that is fit: every slave that can render it is set aside: anna: the disk is full"

    def job(reason: str, dispatched: int = 0, state: JobState = JobState.QUEUED) -> JobChanged:
        counts = Counts(queued=4 - dispatched, dispatched=dispatched)
        return JobChanged(job=job_info(state=state, reason=reason, counts=counts))

    with watching(FRAMES, json=False) as watcher:
        for change in (
            job("waits for a slave"),
            job("rendering with Blender 4.5", 4),
            job(full),
            job(full),
            job("rendering with Blender 4.5", 4),
            job(full),
            job("all frames are done", state=JobState.FINISHED),
        ):
            watcher(change)
    told = [line.partition("(")[2].rstrip(")") for line in capsys.readouterr().err.splitlines()]
    assert told == ["waits for a slave", full, full, "all frames are done"]


def job_info(**changes: Any) -> JobInfo:
    facts: dict[str, Any] = {
        "id": "00000000000000aa",
        "name": "pearls",
        "frames": "1-4",
        "priority": 1,
        "blender": "",
        "created": 1.0,
        "started": None,
        "finished": None,
        "slaves": {},
    }
    return JobInfo(**facts | changes)
