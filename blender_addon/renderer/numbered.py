"""Names of numbered files, and which of them which frames need."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import compat

_NUMBERED = re.compile(r"(?P<head>.*?)(?P<number>\d+)(?P<tail>\D*)")  # the last number in a name counts frames

Numbers = Callable[[int], Iterable[int]]  # the numbers that a scene's frame shows


@dataclass(frozen=True)
class Frames:
    """The frames that will be rendered."""

    spans: tuple[tuple[int, int, int], ...]  # first, last, step
    margin: int = 0  # frames before and after that one of them looks at, for motion blur
    steady: bool = True  # the scene's time is the frame's number

    @classmethod
    def of(cls, scene: Any, spans: Iterable[Iterable[int]] | None) -> Frames:
        """``spans``, or the scene's own range."""
        render = scene.render
        own = [(scene.frame_start, scene.frame_end, scene.frame_step)]
        blur = [max(1, round(render.motion_blur_shutter))] if render.use_motion_blur else [0]
        moving = {"render.frame_map_old", "render.frame_map_new", "render.motion_blur_shutter"}
        return cls(
            spans=tuple((first, last, step) for first, last, step in spans or own),
            margin=max(blur),
            steady=render.frame_map_old == render.frame_map_new and not moving & set(compat.animated_paths(scene)),
        )

    def __iter__(self) -> Any:
        for first, last, step in self.spans:
            yield from range(first, last + 1, step)

    def needing(self, numbers: Numbers) -> dict[int, set[int]]:
        """The frames that need each number."""
        needing: dict[int, set[int]] = defaultdict(set)
        for frame in self:
            for near in range(frame - self.margin, frame + self.margin + 1):
                for number in numbers(near):
                    needing[number].add(frame)
        return needing

    def text(self, frames: set[int]) -> str:
        """As the manifest has it: ``1-4,7``; empty for all."""
        if len(frames) == len(set(self)):
            return ""
        spans: list[list[int]] = []
        for frame in sorted(frames):
            if spans and spans[-1][1] + 1 == frame:
                spans[-1][1] = frame
            else:
                spans.append([frame, frame])
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def sequence(path: str) -> dict[int, str]:
    """The files of the numbered sequence that ``path`` is one of, by number."""
    parts = _NUMBERED.fullmatch(Path(path).name)
    folder = Path(path).parent
    if parts is None or not folder.is_dir():
        return {}
    found = {}
    for file in folder.iterdir():
        other = _NUMBERED.fullmatch(file.name)
        if other and (other["head"], other["tail"]) == (parts["head"], parts["tail"]):
            found[int(other["number"])] = str(file)
    return found


def with_number(path: str, number: int) -> str:
    """The file of that number in the same sequence."""
    parts = _NUMBERED.fullmatch(Path(path).name)
    if parts is None:
        return path
    digits = f"{number:0{len(parts['number'])}d}"
    return str(Path(path).with_name(parts["head"] + digits + parts["tail"]))


def number_of(name: str) -> int | None:
    """The last number in a name."""
    parts = _NUMBERED.fullmatch(name)
    return int(parts["number"]) if parts else None
