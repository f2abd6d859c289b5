"""What slave and coordinator say on the WebSocket, and what the event stream tells to those who watch.

On the wire each is a JSON object whose ``type`` is the class's name in kebab-case.
"""

from attrs import field, frozen, validators

from . import limits
from .jobs import CONFINABLE, JobInfo, SlaveInfo
from .states import Fault

# --- slave -> coordinator ---------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Held:
    """Frames of a lease that the slave renders, or whose results it still has to send."""

    lease: int = field(validator=limits.A_LEASE)
    frames: tuple[int, ...] = field(validator=limits.each(limits.A_FRAME))


@frozen(kw_only=True)
class Hello:
    """The first message. Frames that the coordinator leased to this slave and that it does not name are lost to it.

    ``protocol`` and ``netrender`` keep their names in every later version, for two that do not understand each other.
    """

    protocol: int
    netrender: str = field(
        default="", validator=validators.matches_re(r"[0-9A-Za-z.+!_-]{0,40}")
    )  # the slave's version
    slave: str = field(validator=limits.A_SLAVE)  # an id that the slave keeps for ever
    name: str = field(validator=[validators.min_len(1), limits.A_NAME, limits.shown])
    host: str = field(validator=[limits.A_HOST, limits.shown])
    blender: str = field(validator=[limits.A_VERSION, limits.shown])  # "4.5.15"
    threads: int = field(validator=limits.A_THREAD_COUNT)
    features: tuple[str, ...] = field(default=(), validator=[limits.each(limits.A_NAME), limits.each(limits.shown)])
    holding: tuple[Held, ...] = ()
    tags: tuple[str, ...] = ()  # what it was started with, for jobs that ask for them
    memory: int = field(default=0, validator=limits.A_SIZE)  # bytes that the machine has; 0 if not known
    confined: tuple[str, ...] = field(default=(), validator=limits.each(validators.in_(CONFINABLE)))
    """What its renderer has given up, before it opens a file."""
    aside: str = field(default="", converter=limits.readable)  # as in Aside; empty if it can render

    def __attrs_post_init__(self) -> None:
        limits.check_tags(self.tags)


@frozen(kw_only=True)
class Started:
    """The renderer began this frame."""

    lease: int = field(validator=limits.A_LEASE)
    frame: int = field(validator=limits.A_FRAME)


@frozen(kw_only=True)
class Progress:
    """How far the current frame is."""

    lease: int = field(validator=limits.A_LEASE)
    frame: int = field(validator=limits.A_FRAME)
    sample: int = field(validator=limits.A_COUNT)
    samples: int = field(validator=limits.A_COUNT)


@frozen(kw_only=True)
class Failed:
    """The frame could not be rendered here. Its log was sent before."""

    lease: int = field(validator=limits.A_LEASE)
    frame: int = field(validator=limits.A_FRAME)
    message: str = field(converter=limits.readable)
    fault: Fault = field(default=Fault.FRAME, validator=validators.in_((Fault.FRAME, Fault.JOB)))  # else it is an Aside


@frozen(kw_only=True)
class Aside:
    """The machine can render nothing now: the slave gets nothing until it says Fit.

    All that it was leased goes back to the queue, no attempt counted, but for what ``holding`` names.
    """

    reason: str = field(converter=limits.readable, validator=validators.min_len(1))
    job: str = field(default="", validator=limits.A_JOB_OR_NONE)
    """With which it showed; a job with which it does so again and again is kept from this slave."""
    holding: tuple[Held, ...] = ()  # rendered, and still to be delivered


@frozen(kw_only=True)
class Fit:
    """What the slave was set aside for is over."""


@frozen(kw_only=True)
class Done:
    """The frame is rendered, of a job whose results are discarded. Any other is done by its result."""

    lease: int = field(validator=limits.A_LEASE)
    frame: int = field(validator=limits.A_FRAME)
    seconds: float = field(validator=limits.A_RENDER_TIME)


@frozen(kw_only=True)
class Goodbye:
    """The slave stops. Frames that it has neither rendered nor delivered go back to the queue at once."""

    reason: str = field(default="", converter=limits.readable)


# --- coordinator -> slave ---------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Welcome:
    """The answer to Hello."""

    protocol: int
    netrender: str


@frozen(kw_only=True)
class Work:
    """A chunk: render these frames, in this order, under this lease. Fetch the job's files now."""

    lease: int = field(validator=limits.A_LEASE)
    job: str = field(validator=limits.A_JOB)
    frames: tuple[int, ...] = field(validator=limits.each(limits.A_FRAME))
    scene: str = ""  # leases of jobs with an equal one render the same open scene; empty for one of its own
    stall: float = field(default=0.0, validator=limits.A_STALL)
    """Seconds without a sign of progress after which the renderer is to be ended; 0 for never."""


@frozen(kw_only=True)
class Cancel:
    """The lease, or only some of its frames, is revoked: stop them, drop their results."""

    lease: int = field(validator=limits.A_LEASE)
    reason: str = field(converter=limits.readable)
    frames: tuple[int, ...] = field(default=(), validator=limits.each(limits.A_FRAME))  # empty for all


@frozen(kw_only=True)
class Resync:
    """The coordinator loaded its farm again: say hello once more, with what is held now, and repeat what failed."""


@frozen(kw_only=True)
class Refused:
    """The connection ends, for this reason: an error's code and message."""

    code: str
    message: str = field(converter=limits.readable)


# --- coordinator -> whoever watches (server-sent events) --------------------------------------------------------------


@frozen(kw_only=True)
class JobChanged:
    """A job's state changed, or it is new; also the first event about each job on a new stream."""

    job: JobInfo


@frozen(kw_only=True)
class FrameDispatched:
    job: str
    frame: int = field(validator=limits.A_FRAME)
    slave: str = field(validator=limits.A_NAME)


@frozen(kw_only=True)
class FrameStarted:
    job: str
    frame: int = field(validator=limits.A_FRAME)
    slave: str = field(validator=limits.A_NAME)


@frozen(kw_only=True)
class FrameProgress:
    job: str
    frame: int = field(validator=limits.A_FRAME)
    slave: str = field(validator=limits.A_NAME)
    sample: int = field(validator=limits.A_COUNT)
    samples: int = field(validator=limits.A_COUNT)


@frozen(kw_only=True)
class FrameDone:
    job: str
    frame: int = field(validator=limits.A_FRAME)
    slave: str = field(validator=limits.A_NAME)
    seconds: float = field(validator=limits.A_RENDER_TIME)
    sha256: str = field(validator=limits.A_RESULT)
    size: int = field(validator=limits.A_SIZE)


@frozen(kw_only=True)
class FrameFailed:
    """An attempt failed. ``final`` if the frame is given up, else it is queued again."""

    job: str
    frame: int = field(validator=limits.A_FRAME)
    slave: str = field(validator=limits.A_NAME)
    message: str = field(converter=limits.readable)
    final: bool


@frozen(kw_only=True)
class FrameQueued:
    """The frame went back to the queue: its slave was lost, or it was reset."""

    job: str
    frame: int = field(validator=limits.A_FRAME)
    reason: str = field(converter=limits.readable)


@frozen(kw_only=True)
class LogAppended:
    """A frame's log grew to ``size`` bytes."""

    job: str
    frame: int = field(validator=limits.A_FRAME)
    size: int = field(validator=limits.A_SIZE)


@frozen(kw_only=True)
class SlaveChanged:
    slave: SlaveInfo


@frozen(kw_only=True)
class ProblemChanged:
    """The coordinator cannot keep anything at present, for this reason; or it can again, if the reason is empty."""

    problem: str


FromSlave = Hello | Started | Progress | Done | Failed | Aside | Fit | Goodbye
ToSlave = Welcome | Work | Cancel | Resync | Refused
Event = (
    JobChanged
    | FrameDispatched
    | FrameStarted
    | FrameProgress
    | FrameDone
    | FrameFailed
    | FrameQueued
    | LogAppended
    | SlaveChanged
    | ProblemChanged
)
