"""The frames of a job as a film with gaps: what is there so far, and what is shown now. No bpy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy

from . import exr

MEMORY = 512 * 2**20  # bytes that the previews of a film may take
WIDEST = 960  # pixels: a preview is no wider

THERE, FAILED, GAP = "there", "failed", "gap"


@dataclass(frozen=True)
class Preview:
    """A frame made small: RGBA, scene linear, half floats, the bottom line first as Blender has it."""

    frame: int
    pixels: Any

    @property
    def size(self) -> tuple[int, int]:
        height, width, _ = self.pixels.shape
        return width, height


@dataclass
class Film:
    frames: tuple[int, ...]
    there: dict[int, Preview] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    at: int = 0  # position, in `frames`, of the one that is shown

    @property
    def frame(self) -> int:
        return self.frames[self.at]

    def advance(self) -> None:
        """To the next frame, a gap or not; after the last comes the first."""
        self.at = (self.at + 1) % len(self.frames)

    def state(self, frame: int) -> str:
        if frame in self.there:
            return THERE
        return FAILED if frame in self.failed else GAP

    def runs(self) -> Iterator[tuple[str, int, int]]:
        """Stretches of frames that are in the same state: that state, the first position and how many."""
        at = 0
        for state, group in groupby(self.frames, self.state):
            length = len(list(group))
            yield state, at, length
            at += length

    def text(self) -> str:
        """A line for the screen."""
        here = f"{len(self.there)} of {len(self.frames)} frames are here"
        what = {THERE: "", FAILED: " failed", GAP: " is not rendered yet"}[self.state(self.frame)]
        return f"Frame {self.frame}{what}   {here}"


def preview_width(frames: int, width: int, height: int) -> int:
    """As wide as all of the film's previews have room for."""
    most = (MEMORY / (frames * 8 * height / width)) ** 0.5  # 8 bytes a pixel
    return max(1, min(width, WIDEST, int(most)))


def read(path: Path, frame: int, frames: int) -> Preview:
    """Make the preview of a frame. Raises Unreadable."""
    reader = exr.Reader(path)
    combined = _combined(reader)
    planes = reader.pixels(only=set(combined))
    found = [next(plane for (_, name), plane in planes.items() if name == channel) for channel in combined]
    height, width = found[0].shape
    step = -(-width // preview_width(frames, width, height))
    small = [plane[step // 2 :: step, step // 2 :: step] for plane in found]
    if len(small) == 3:
        small.append(numpy.ones_like(small[0]))
    # Half floats end at 65504; what is brighter is white anyway.
    pixels = numpy.clip(numpy.stack(small, axis=-1)[::-1], -60000, 60000).astype(numpy.float16)
    return Preview(frame, numpy.ascontiguousarray(pixels))


def _combined(reader: exr.Reader) -> list[str]:
    """The channels of what is seen first: red, green, blue and, if there is one, alpha."""
    names = [name for part in reader.parts for name in part.channels]
    red = next((name for name in names if ".Combined" in name and name.endswith(".R")), None)
    if red is None:
        raise exr.Unreadable(f"{reader.path} has no combined pass: switch it on in the view layer to play the frames")
    found = [red.removesuffix("R") + letter for letter in "RGBA"]
    return [name for name in found if name in names]


class Loader:
    """Makes previews on a thread of its own. ``tell`` gets each Preview, or an ``exr.Unreadable``."""

    def __init__(self, frames: int, tell: Callable[[Any], None]) -> None:
        self._frames, self._tell = frames, tell
        self._todo: queue.SimpleQueue[tuple[int, Path] | None] = queue.SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="netrender previews", daemon=True)
        self._thread.start()

    def load(self, frame: int, path: Path) -> None:
        self._todo.put((frame, path))

    def stop(self) -> None:
        self._stopped = True
        self._todo.put(None)

    def _run(self) -> None:
        while (item := self._todo.get()) is not None and not self._stopped:
            frame, path = item
            try:
                found: Any = read(path, frame, self._frames)
            except exr.Unreadable as error:
                found = error
            if not self._stopped:
                self._tell(found)
