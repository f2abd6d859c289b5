"""What a command shows while it waits: a bar on a terminal, lines when piped, JSON lines for a program."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ..gathering import CoordinatorLost, FrameSaved, Happening
from ..protocol import codec
from ..protocol.frames import FrameRange
from ..protocol.jobs import JobInfo
from ..protocol.messages import (
    FrameDone,
    FrameFailed,
    FrameProgress,
    FrameQueued,
    FrameStarted,
    JobChanged,
    ProblemChanged,
)
from ..protocol.states import JobState
from .output import duration, say
from .pace import Pace
from .plain import json_line, plain


class Watcher(Protocol):
    """Shows what happens to a job."""

    def __call__(self, event: Happening) -> None: ...


class JsonWatcher:
    """One JSON object a line, on stdout."""

    def __call__(self, event: Happening) -> None:
        json_line(codec.dumps(event, Happening))


class LineWatcher:
    """A line for everything that matters, on stderr."""

    def __init__(self, frames: FrameRange) -> None:
        self._frames = frames
        self._pace = Pace(len(frames))
        self._seen: set[int] = set()
        self._told: tuple[str, str] = "", ""  # its state, and what it waits for

    def __call__(self, event: Happening) -> None:
        match event:
            case FrameStarted():
                self._pace.began(time.monotonic())
            case FrameDone() if event.frame in self._frames and event.frame not in self._seen:
                self._seen.add(event.frame)
                self._pace.frame_done(time.monotonic())
                self.say(f"frame {event.frame}: {duration(event.seconds)} on {event.slave} {self.where()}")
            case FrameSaved() if event.frame not in self._seen:
                self._seen.add(event.frame)
                self._pace.was_done_before()
                there = "" if event.downloaded else " was there already"
                self.say(f"frame {event.frame}: {Path(event.path).name}{there} {self.where()}")
            case FrameFailed():
                then = "given up" if event.final else "goes to another slave"
                self.say(f"frame {event.frame}: failed on {event.slave}, {then}: {event.message}")
            case FrameQueued():
                self.say(f"frame {event.frame}: queued again: {event.reason}")
            case JobChanged() if self._is_news(event.job):
                self.say(f"job {event.job.id}: {event.job.state}" + f" ({event.job.reason})" * bool(event.job.reason))
            case CoordinatorLost():
                self.say(f"{event.message} Trying again.")
            case ProblemChanged():
                self.warn(event.problem or "the coordinator's disk has room again")

    def _is_news(self, job: JobInfo) -> bool:
        """Another state, or another reason why nothing is rendered."""
        waits = job.reason if job.state is JobState.QUEUED and not job.counts.dispatched else ""
        before, self._told = self._told, (job.state, waits)
        return before[0] != job.state or waits not in ("", before[1])

    def say(self, line: str) -> None:
        say(line)

    def warn(self, line: str) -> None:
        """Say what a person must see, however little is shown."""
        say(line)

    def where(self) -> str:
        """``(13 of 24, 31.2 a minute, 21.0 s left)``."""
        parts = [f"{self._pace.done} of {self._pace.total}"]
        if self._pace.per_minute is not None and self._pace.remaining is not None:
            parts += [f"{self._pace.per_minute:.1f} a minute", f"{duration(self._pace.remaining)} left"]
        return f"({', '.join(parts)})"


class BarWatcher(LineWatcher):
    """A bar for the job and one for each slave that renders; lines only for what goes wrong."""

    def __init__(self, frames: FrameRange, bar: Progress) -> None:
        super().__init__(frames)
        self._bar = bar
        self._job = bar.add_task("frames", total=len(frames), note="")
        self._slaves: dict[str, TaskID] = {}

    def __call__(self, event: Happening) -> None:
        match event:
            case FrameStarted():
                self._slave(event.slave, event.frame, 0, 1)
            case FrameProgress():
                self._slave(event.slave, event.frame, event.sample, event.samples)
            case FrameDone():
                self._slave(event.slave, event.frame, 1, 1)
        super().__call__(event)
        self._bar.update(self._job, completed=self._pace.done, note=self.where())

    def say(self, line: str) -> None:
        # What goes well is in the bar already.
        if ": failed" in line or "queued again" in line or "Trying again" in line or line.startswith("job "):
            self.warn(line)

    def warn(self, line: str) -> None:
        self._bar.console.print(plain(f"netrender: {line}"))

    def _slave(self, name: str, frame: int, done: int, total: int) -> None:
        if name not in self._slaves:
            self._slaves[name] = self._bar.add_task(plain(name), total=1, note="")
        self._bar.update(self._slaves[name], completed=done, total=total, note=f"frame {frame}")


def _console() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextmanager
def watching(frames: FrameRange, *, json: bool) -> Iterator[Watcher]:
    """The right watcher for where the output goes."""
    if json:
        yield JsonWatcher()
    elif not sys.stderr.isatty():
        yield LineWatcher(frames)
    else:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=_console(), transient=True) as bar:
            yield BarWatcher(frames, bar)


class UploadWatcher(Protocol):
    def __call__(self, done: int, total: int) -> None: ...


@contextmanager
def uploading(*, json: bool) -> Iterator[UploadWatcher]:
    """Shows how much of a job's files is sent; nothing but a line where there is no terminal."""
    if json or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_console(), transient=True) as bar:
        task = bar.add_task("upload", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def looking_into(blend: Path, *, json: bool) -> Iterator[None]:
    """While Blender inspects the .blend."""
    if json or not sys.stderr.isatty():
        yield
        return
    with _console().status(f"looking into {plain(blend.name)}"):
        yield
