"""The numbers of the scheduler that the owner of a farm may change."""

from math import isfinite
from typing import Any

import attrs
from attrs import frozen

from ..constants import (
    CHUNK_TARGET,
    COMEBACK,
    FIRST_FRAMES,
    FORGIVE_AFTER,
    FRAME_ATTEMPTS,
    MAX_SHARE,
    SICK_JOBS,
    SLAVE_FAILURES,
    STALL_BLIND,
    STALL_FACTOR,
    STALL_LEAST,
    STARVED_AFTER,
    STICKY,
    STRAGGLER_BLIND,
    STRAGGLER_MARGIN,
    USAGE_AHEAD,
    USAGE_MEMORY,
    USAGE_SAMPLE,
)
from ..errors import UsageError

MOST = 1e9  # of any setting; in seconds, 31 years


@frozen(kw_only=True)
class Policy:
    """What `netrender coordinator --set NAME=VALUE` sets; the reasons for the defaults are in constants.py."""

    max_share: float = MAX_SHARE  # of the slaves; a job that uses more goes behind all others
    first_frames: int = FIRST_FRAMES  # a job of which fewer frames were ever dispatched goes first
    starved_after: float = STARVED_AFTER  # seconds; early enough for it, a job that gets nothing goes first
    usage_sample: float = USAGE_SAMPLE  # seconds between samples of who uses how much
    usage_memory: float = USAGE_MEMORY  # seconds over which usage is averaged
    usage_ahead: float = USAGE_AHEAD  # weight of what a job is going to hold, against the average of what it held
    sticky: float = STICKY  # usage that a job may be ahead of the next one and still keep its slaves
    chunk_target: float = CHUNK_TARGET  # seconds of rendering in an automatic chunk
    frame_attempts: int = FRAME_ATTEMPTS  # different slaves on which a frame fails until it is given up
    slave_failures: int = SLAVE_FAILURES  # in one job, after which a slave gets no more of it
    sick_jobs: int = SICK_JOBS  # in which a slave failed, with no success since, until it gets nothing
    comeback: float = COMEBACK  # seconds for which a job that all others failed waits for a slave that was lost
    forgive_after: float = FORGIVE_AFTER  # seconds after which a barred or sick slave is tried again
    straggler_margin: float = STRAGGLER_MARGIN  # how many times sooner a second slave must be expected to end
    straggler_blind: float = STRAGGLER_BLIND  # seconds, where no frame of the job has been measured
    stall_factor: float = STALL_FACTOR  # frames' time without progress after which a renderer is ended
    stall_least: float = STALL_LEAST  # seconds; never sooner
    stall_blind: float = STALL_BLIND  # seconds, where no frame of the job has been measured

    def __attrs_post_init__(self) -> None:
        for name, value in attrs.asdict(self).items():
            if not isfinite(value):
                raise UsageError(f"setting {name}: {value} is not a number that is finite")
            if value > MOST:
                raise UsageError(f"setting {name}: {value:g} is too large; {MOST:g} is the most")
            if value < 0 or (value == 0 and name not in ("first_frames", "sticky", "usage_ahead")):
                raise UsageError(f"setting {name}: {value:g} is too small")


def policy(settings: dict[str, str]) -> Policy:
    """From texts, as the command line has them. Raises UsageError that names what is wrong."""
    known = attrs.fields_dict(Policy)
    values: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in known:
            raise UsageError(f"no setting {name!r}; there are: {', '.join(known)}")
        kind: type[int] | type[float] = type(getattr(Policy(), name))
        try:
            values[name] = kind(text)
        except ValueError:
            raise UsageError(f"setting {name}: {text!r} is no {'whole ' * (kind is int)}number") from None
    return Policy(**values)
