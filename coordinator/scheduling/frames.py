"""The frames of one job, compactly: one byte a frame, and nothing else for those that were never touched."""

from collections.abc import Iterable
from heapq import heappop, heappush

from attrs import define, field

from ..protocol.frames import FrameRange
from ..protocol.jobs import Counts
from ..protocol.states import FRAME_MOVES, FrameOrder, FrameState, check

_BY_CODE = tuple(FrameState)
_CODE = {state: code for code, state in enumerate(_BY_CODE)}
_QUEUED = _CODE[FrameState.QUEUED]


@define
class FrameTable:
    """State of every frame, and the queue of those that wait.

    Frames leave the queue in the job's order; ones that came back go first, so that what was begun is done early.
    """

    range: FrameRange
    order: FrameOrder = FrameOrder.SEQUENCE
    _states: bytearray = field(init=False)
    _counts: list[int] = field(init=False)
    _next: int = 0  # in the order: the first place that was never looked at
    _returned: list[int] = field(factory=list)  # heap of positions that came back; some may be gone again

    _held: set[int] = field(factory=set)  # positions that may not be taken yet: their files are not there

    def __attrs_post_init__(self) -> None:
        self._states = bytearray(len(self.range))
        self._counts = [len(self.range), 0, 0, 0]

    @property
    def counts(self) -> Counts:
        return Counts(**{state.value: self._counts[code] for state, code in _CODE.items()})

    @property
    def queued(self) -> int:
        return self._counts[_QUEUED]

    @property
    def takeable(self) -> int:
        """Frames that are queued and not held."""
        return self._counts[_QUEUED] - len(self._held)

    def hold(self, frames: Iterable[int]) -> None:
        """Do not give these out for now, as far as they are queued."""
        positions = map(self.range.position, frames)
        self._held.update(position for position in positions if self._states[position] == _QUEUED)

    def release(self, frames: Iterable[int]) -> None:
        """They may be given out again."""
        for position in {self.range.position(frame) for frame in frames} & self._held:
            self._held.discard(position)
            if self.order is FrameOrder.SPREAD or position < self._next:  # it was skipped while it was held
                heappush(self._returned, position)

    def count(self, state: FrameState) -> int:
        return self._counts[_CODE[state]]

    def state(self, frame: int) -> FrameState:
        """Raises KeyError if the frame is not in the job."""
        return _BY_CODE[self._states[self.range.position(frame)]]

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

    def move(self, frame: int, new: FrameState, reason: str) -> None:
        """Raises InvalidTransition for a move that the table of states does not have."""
        position = self.range.position(frame)
        self._move(position, frame, new, reason)
        if new is FrameState.QUEUED:
            heappush(self._returned, position)

    def _move(self, position: int, frame: int, new: FrameState, reason: str) -> None:
        code = self._states[position]
        old = _BY_CODE[code]
        check(FRAME_MOVES, f"frame {frame}", old, new, reason)
        self._states[position] = _CODE[new]
        self._counts[code] -= 1
        self._counts[_CODE[new]] += 1

    def take(self, most: int, avoid: frozenset[int] = frozenset()) -> tuple[int, ...]:
        """Take up to ``most`` queued frames, none of ``avoid``, out of the queue and mark them dispatched."""
        taken: list[int] = []
        skipped: list[int] = []
        while len(taken) < most and (position := self._pop()) is not None:
            frame = self.range[position]
            if frame in avoid:
                skipped.append(position)
            else:
                self._move(position, frame, FrameState.DISPATCHED, "taken")
                taken.append(frame)
        for position in skipped:
            heappush(self._returned, position)
        return tuple(taken)

    def _pop(self) -> int | None:
        """The position of the next queued frame. It is looked at twice only if it is put back."""
        while self._returned:
            position = heappop(self._returned)
            if self._states[position] == _QUEUED and position not in self._held:
                return position
        if self.takeable <= 0:
            return None
        return self._pop_sequence() if self.order is FrameOrder.SEQUENCE else self._pop_spread()

    def _pop_sequence(self) -> int | None:
        while (position := self._states.find(_QUEUED, self._next)) >= 0:
            self._next = position + 1
            if position not in self._held:
                return position
        self._next = len(self._states)
        return None

    def _pop_spread(self) -> int | None:
        """First, last, then the middles of what is between: the bits of a counter, read backwards."""
        last = len(self._states) - 1
        bits = max(last.bit_length(), 1)
        while self._next <= 1 << bits:
            place = self._next
            self._next += 1
            position = last if place == 1 else int(f"{max(place - 1, 0):0{bits}b}"[::-1], 2)
            if position <= last and self._states[position] == _QUEUED and position not in self._held:
                return position
        return None
