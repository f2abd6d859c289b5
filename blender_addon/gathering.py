"""Frames as they come, and which of them Blender may write next. Pure: no bpy, no I/O.

A frame that failed is never given to Blender, which would write a black image; the others are written in their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

Need = tuple[str, int]  # a scene's name, and one of its frames


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
    """Frames on their way through this Blender. Only the main thread changes it."""

    needs: dict[int, frozenset[Need]]  # by frame, in their order: what the farm renders for it
    whole: bool  # a movie: one file, which begins when all frames are there
    arrived: set[int] = field(default_factory=set)  # can be written: all that they need is on disk
    written: set[int] = field(default_factory=set)
    lost: dict[Need, str] = field(default_factory=dict)  # given up by the farm, and why
    _have: set[Need] = field(default_factory=set)
    _needed_by: dict[Need, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for frame, needs in self.needs.items():
            if not needs:
                self.arrived.add(frame)
            for need in needs:
                self._needed_by[need].append(frame)

    @property
    def frames(self) -> tuple[int, ...]:
        return tuple(self.needs)

    @property
    def failed(self) -> dict[int, str]:
        """The frames that lack something that the farm gave up, and why it did."""
        return {frame: why for need, why in self.lost.items() for frame in self._needed_by.get(need, ())}

    @property
    def unwritten(self) -> tuple[int, ...]:
        return tuple(frame for frame in self.needs if frame not in self.written)

    def arrive(self, need: Need) -> None:
        """Its result is on disk."""
        self.lost.pop(need, None)
        self._have.add(need)
        self.arrived.update(frame for frame in self._needed_by.get(need, ()) if self.needs[frame] <= self._have)

    def fail(self, need: Need, why: str) -> None:
        self.lost[need] = why

    def requeue(self, need: Need) -> None:
        """The farm tries it again after all."""
        self.lost.pop(need, None)

    def next_run(self) -> Run | None:
        """What Blender can write now; None if it has to wait for the next frame in order, or nothing is left."""
        if self.whole and not self.arrived.issuperset(self.needs):
            return None
        ready: list[int] = []
        failed = self.failed
        for frame in self.needs:
            if frame in self.written:
                if ready:
                    break
            elif frame in self.arrived:
                ready.append(frame)
            elif ready or frame not in failed:
                break
        return first_run(ready) if ready else None

    def wrote(self, run: Run) -> None:
        self.written.update(run.frames)


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
    return bool(frames) and tuple(first_run(frames).frames) == frames
