"""Frames as they come, and which of them Blender may write next. Pure: no bpy, no I/O.

A frame that failed is never given to Blender, which would write a black image; the others are written in their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Run:
    """Frames that Blender renders in one go."""

    first: int
    last: int
    step: int = 1

    @property
    def frames(self) -> range:
        return range(self.first, self.last + 1, self.step)


@dataclass
class Gathering:
    """One job's frames on their way through this Blender. Only the main thread changes it."""

    frames: tuple[int, ...]  # in their order
    whole: bool  # a movie: one file, which begins when all frames are there
    arrived: set[int] = field(default_factory=set)
    written: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)  # given up by the farm, and why

    def arrive(self, frame: int) -> None:
        """Its result is on disk."""
        self.failed.pop(frame, None)
        self.arrived.add(frame)

    def fail(self, frame: int, why: str) -> None:
        self.failed[frame] = why

    def requeue(self, frame: int) -> None:
        """The farm tries it again after all."""
        self.failed.pop(frame, None)

    def next_run(self) -> Run | None:
        """What Blender can write now; None if it has to wait for the next frame in order, or nothing is left."""
        if self.whole and not self.arrived.issuperset(self.frames):
            return None
        ready: list[int] = []
        for frame in self.frames:
            if frame in self.written:
                if ready:
                    break
            elif frame in self.arrived:
                ready.append(frame)
            elif ready or frame not in self.failed:
                break
        return first_run(ready) if ready else None

    def wrote(self, run: Run) -> None:
        self.written.update(run.frames)

    @property
    def unwritten(self) -> tuple[int, ...]:
        return tuple(frame for frame in self.frames if frame not in self.written)


def first_run(frames: Iterable[int]) -> Run:
    """As many of the first frames as are at equal distances."""
    first, *others = frames
    if not others:
        return Run(first, first)
    step, last = others[0] - first, others[0]
    for frame in others[1:]:
        if frame - last != step:
            break
        last = frame
    return Run(first, last, step)


def is_one_run(frames: Iterable[int]) -> bool:
    """Whether Blender can render these in one go, as a movie has to be."""
    frames = tuple(frames)
    return tuple(first_run(frames).frames) == frames
