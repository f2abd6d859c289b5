"""Frame ranges: ``1-24,30,40-60x2`` and the compact sequence that they stand for."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from attrs import field, frozen

from ..errors import BadFramesError

# Blender's own limits of a scene's frame numbers: MINAFRAME and MAXFRAME in DNA_scene_types.h.
FIRST_FRAME, LAST_FRAME = -1_048_574, 1_048_574

_MOST_LISTED = 2 * (LAST_FRAME - FIRST_FRAME)  # frames of ranges that overlap: they are merged one by one

_SPAN = re.compile(r"(?P<first>-?\d{1,9})(?:-(?P<last>-?\d{1,9})(?:x(?P<step>\d{1,9}))?)?", re.ASCII)


@frozen(order=True)
class Span:
    """Frames ``first``, ``first + step`` ... up to ``last``, which is one of them."""

    first: int
    last: int
    step: int = 1

    def __len__(self) -> int:
        return (self.last - self.first) // self.step + 1

    def __str__(self) -> str:
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}-{self.last}" + (f"x{self.step}" if self.step > 1 else "")

    @property
    def frames(self) -> range:
        return range(self.first, self.last + 1, self.step)


def _checked(first: int, last: int, step: int, text: str) -> Span:
    if step < 1:
        raise BadFramesError(f"frames {text!r}: the step must be 1 or more")
    if last < first:
        raise BadFramesError(f"frames {text!r}: the range runs backwards; write {last}-{first}")
    for frame in (first, last):
        if not FIRST_FRAME <= frame <= LAST_FRAME:
            raise BadFramesError(f"frames {text!r}: Blender has no frame {frame}; the last is {LAST_FRAME}")
    last -= (last - first) % step
    return Span(first, last, step if last > first else 1)  # one spelling for a single frame


@frozen
class FrameRange(Sequence[int]):
    """Frame numbers in rising order, each once, held as spans: its memory does not grow with the frames."""

    spans: tuple[Span, ...]
    _starts: tuple[int, ...] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_starts", tuple(accumulate((len(s) for s in self.spans), initial=0)))

    @classmethod
    def parse(cls, text: str) -> "FrameRange":
        """Read ``1-24,30,40-60x2``.

        Raises BadFramesError for text that is empty, malformed or reversed.
        """
        spans = []
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        for part in filter(None, re.split(r"[,\s]+", text.strip())):
            match = _SPAN.fullmatch(part)
            if match is None:
                raise BadFramesError(
                    f"frames {shown!r}: {part[:40]!r} is not a frame or a range such as 1-24 or 1-24x2"
                )
            first = int(match["first"])
            last = first if match["last"] is None else int(match["last"])
            spans.append(_checked(first, last, int(match["step"] or 1), shown))
        if not spans:
            raise BadFramesError("frames: the range is empty; write for example 1-24,30")
        spans.sort()
        if all(left.last < right.first for left, right in pairwise(spans)):
            return cls(tuple(spans))
        if sum(map(len, spans)) > _MOST_LISTED:  # which one small text can ask for, a million times
            raise BadFramesError(f"frames {shown!r}: the ranges overlap too much; write each frame once")
        return cls.of(frame for span in spans for frame in span.frames)

    @classmethod
    def of(cls, frames: Iterable[int]) -> "FrameRange":
        """The given frames, sorted, each once, as few spans of step 1 (or single frames) as hold them."""
        spans: list[Span] = []
        for frame in sorted(set(frames)):
            if spans and spans[-1].last + 1 == frame:
                spans[-1] = Span(spans[-1].first, frame)
            else:
                spans.append(Span(frame, frame))
        return cls(tuple(spans))

    @classmethod
    def between(cls, first: int, last: int, step: int = 1) -> "FrameRange":
        """A scene's own range. Raises BadFramesError if it is reversed."""
        return cls((_checked(first, last, step, f"{first}-{last}x{step}"),))

    def __str__(self) -> str:
        return ",".join(map(str, self.spans))

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[int]:
        for span in self.spans:
            yield from span.frames

    def __getitem__(self, index: int) -> int:  # type: ignore[override]  # slices are not needed
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = bisect_right(self._starts, index) - 1
        return self.spans[which].frames[index - self._starts[which]]

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, int) and self._span_of(frame) is not None

    def position(self, frame: int) -> int:
        """The index of a frame. Raises KeyError if it is not in the range."""
        which = self._span_of(frame)
        if which is None:
            raise KeyError(frame)
        return self._starts[which] + self.spans[which].frames.index(frame)

    def _span_of(self, frame: int) -> int | None:
        which = bisect_right(self.spans, frame, key=lambda span: span.first) - 1
        return which if which >= 0 and frame in self.spans[which].frames else None


def frame_stem(frame: int) -> str:
    """A frame in the name of a file, in Blender's own numbering for ``####``: at least four digits."""
    return f"{'-' if frame < 0 else ''}{abs(frame):04d}"


def frame_name(frame: int) -> str:
    """The file of a frame's result."""
    return f"{frame_stem(frame)}.exr"
