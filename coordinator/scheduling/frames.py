"""The frames of one job, compactly: one byte a frame, and nothing else for those that were never touched."""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from attrs import define, field

from ..protocol.frames import FrameRange
from ..protocol.jobs import Counts
from ..protocol.states import FRAME_MOVES, FrameState, check

_BY_CODE = tuple(FrameState)
_CODE = {state: code for code, state in enumerate(_BY_CODE)}


@define
class FrameTable:
    """State of every frame, and the queue of those that wait.

    Frames leave the queue in rising order; ones that came back go first, so that early frames are done early.
    """

    range: FrameRange
    _states: bytearray = field(init=False)
    _counts: list[int] = field(init=False)
    _fresh: int = 0  # position of the first frame that was never taken
    _returned: list[int] = field(factory=list)  # heap of positions that came back
    _held: set[int] = field(factory=set)  # positions that may not be taken yet: their files are not there

    def __attrs_post_init__(self) -> None:
        self._states = bytearray(len(self.range))
        self._counts = [len(self.range), 0, 0, 0]

    @property
    def counts(self) -> Counts:
        return Counts(**{state.value: self._counts[code] for state, code in _CODE.items()})

    def count(self, state: FrameState) -> int:
        return self._counts[_CODE[state]]

    def state(self, frame: int) -> FrameState:
        """Raises KeyError if the frame is not in the job."""
        return _BY_CODE[self._states[self.range.position(frame)]]

    @property
    def takeable(self) -> int:
        """Frames that are queued and not held."""
        return self.count(FrameState.QUEUED) - len(self._held)

    def hold(self, frames: Iterable[int]) -> None:
        """Do not give these out for now, as far as they are queued."""
        positions = map(self.range.position, frames)
        self._held.update(i for i in positions if self._states[i] == _CODE[FrameState.QUEUED])

    def release(self, frames: Iterable[int]) -> None:
        """They may be given out again."""
        for position in {self.range.position(frame) for frame in frames} & self._held:
            self._held.discard(position)
            if position < self._fresh:  # it was skipped while it was held
                heappush(self._returned, position)

    def in_state(self, state: FrameState) -> list[int]:
        code = _CODE[state]
        return [self.range[i] for i, c in enumerate(self._states) if c == code]

    def restore(self, states: dict[int, FrameState]) -> None:
        """Set what the store knows of a job that was loaded; frames that it does not name are queued."""
        for frame, state in states.items():
            position = self.range.position(frame)
            self._counts[self._states[position]] -= 1
            self._states[position] = _CODE[state]
            self._counts[_CODE[state]] += 1
        touched = sorted(self.range.position(frame) for frame in states)
        self._fresh = touched[-1] + 1 if touched else 0
        self._returned = [i for i in range(self._fresh) if self._states[i] == _CODE[FrameState.QUEUED]]
        heapify(self._returned)

    def move(self, frame: int, new: FrameState, reason: str) -> None:
        """Raises InvalidTransition for a move that the table of states does not have."""
        position = self.range.position(frame)
        old = _BY_CODE[self._states[position]]
        check(FRAME_MOVES, f"frame {frame}", old, new, reason)
        self._states[position] = _CODE[new]
        self._counts[_CODE[old]] -= 1
        self._counts[_CODE[new]] += 1
        if new is FrameState.QUEUED:
            heappush(self._returned, position)

    def take(self, most: int, avoid: frozenset[int] = frozenset()) -> tuple[int, ...]:
        """Take up to ``most`` queued frames, none of ``avoid``, out of the queue and mark them dispatched."""
        positions: list[int] = []
        skipped: list[int] = []
        while self._returned and len(positions) < most:
            position = heappop(self._returned)
            if position in self._held:  # it is pushed again when it is held no more
                continue
            (skipped if self.range[position] in avoid else positions).append(position)
        for position in skipped:
            heappush(self._returned, position)
        # A frame to avoid has failed before, so it is never among the fresh ones.
        while self._fresh < len(self._states) and len(positions) < most:
            if self._fresh not in self._held:
                positions.append(self._fresh)
            self._fresh += 1
        frames = tuple(self.range[position] for position in positions)
        for frame in frames:
            self.move(frame, FrameState.DISPATCHED, "taken")
        return frames
