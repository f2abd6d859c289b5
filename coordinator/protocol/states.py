"""The states of jobs and frames, and the one table of legal moves between them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar


class JobState(StrEnum):
    WAITING = "waiting"
    """Something must come first: files that have not arrived, other jobs, its start time."""
    QUEUED = "queued"
    """May be dispatched. Frames of it may be rendering."""
    PAUSED = "paused"
    """Nothing new is dispatched; what is rendering ends."""
    FINISHED = "finished"
    """Every frame is done or an error."""
    CANCELLED = "cancelled"
    """Ended by a person; frames that are done stay."""


class FrameOrder(StrEnum):
    """In which order the frames of a job are handed out."""

    SEQUENCE = "sequence"
    """From the first to the last: what is done can be played."""
    SPREAD = "spread"
    """First, last, middle, and so on into the gaps: errors and the look of the whole show early."""


class FrameState(StrEnum):
    QUEUED = "queued"
    """Not rendered, not with any slave."""
    DISPATCHED = "dispatched"
    """In a lease that some slave holds."""
    DONE = "done"
    """Its result is stored."""
    ERROR = "error"
    """Given up; its log says why."""


class Fault(StrEnum):
    """Whose fault it is that a frame was not rendered, and so what follows from it."""

    FRAME = "frame"
    """The frame's, as far as anybody can tell: it counts against the frame, and against the slave."""
    JOB = "job"
    """This machine cannot render this job: it lacks memory, a path map, an engine. No attempt is counted, other jobs go
    on here, and other slaves render this one."""
    MACHINE = "machine"
    """This machine can render nothing now: its disk is full, its Blender does not start. No attempt is counted."""


ENDED = frozenset({JobState.FINISHED, JobState.CANCELLED})

J, F = JobState, FrameState

JOB_MOVES: Mapping[JobState, frozenset[JobState]] = {
    J.WAITING: frozenset({J.QUEUED, J.PAUSED, J.CANCELLED}),
    J.QUEUED: frozenset({J.PAUSED, J.FINISHED, J.CANCELLED}),
    J.PAUSED: frozenset({J.WAITING, J.QUEUED, J.FINISHED, J.CANCELLED}),
    # Ended jobs come back by reset alone; by then a blob may be gone, so "waiting" is possible.
    J.FINISHED: frozenset({J.WAITING, J.QUEUED}),
    J.CANCELLED: frozenset({J.WAITING, J.QUEUED}),
}

FRAME_MOVES: Mapping[FrameState, frozenset[FrameState]] = {
    F.QUEUED: frozenset({F.DISPATCHED}),
    F.DISPATCHED: frozenset({F.QUEUED, F.DONE, F.ERROR}),
    F.DONE: frozenset(),
    F.ERROR: frozenset({F.QUEUED}),
}

S = TypeVar("S", JobState, FrameState)


class InvalidTransition(AssertionError):
    """A defect: a move that the table does not have. It carries who, from, to and why."""

    def __init__(self, who: str, old: StrEnum, new: StrEnum, reason: str) -> None:
        super().__init__(f"{who}: {old} -> {new} is not legal (reason given: {reason})")


def check(moves: Mapping[S, frozenset[S]], who: str, old: S, new: S, reason: str) -> None:
    """Raises InvalidTransition unless the table has the move."""
    if new not in moves[old]:
        raise InvalidTransition(who, old, new, reason)
