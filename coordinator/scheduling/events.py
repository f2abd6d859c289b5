"""What happens to the farm (events), and what follows from it (decisions)."""

from attrs import field, frozen

from ..protocol.jobs import FrameInfo, JobChanges, JobInfo, Manifest
from ..protocol.messages import Held
from ..protocol.states import Fault, FrameState, JobState

# --- events: each carries the time, in seconds since the epoch --------------------------------------------------------


@frozen(kw_only=True)
class JobAnnounced:
    now: float
    manifest: Manifest
    missing: frozenset[str]  # blobs that have not arrived


@frozen(kw_only=True)
class JobRestored:
    """A job that is over comes back from an archive; its blobs and results are there."""

    now: float
    manifest: Manifest
    job: JobInfo
    frames: tuple[FrameInfo, ...]


@frozen(kw_only=True)
class BlobsArrived:
    now: float
    blobs: frozenset[str]


@frozen(kw_only=True)
class JobCommanded:
    """A person's word: cancel, pause, resume or reset."""

    now: float
    job: str
    command: str
    missing: frozenset[str] = frozenset()  # for reset: blobs that are gone by now


@frozen(kw_only=True)
class JobChanged:
    """A person's wish about a job that is there."""

    now: float
    job: str
    changes: JobChanges


@frozen(kw_only=True)
class SlaveHealed:
    """A person's word: what made it fail is over."""

    now: float
    slave: str


@frozen(kw_only=True)
class Tick:
    """Time has passed; `upkeep.due` says when the next one is wanted."""

    now: float


@frozen(kw_only=True)
class SlaveJoined:
    now: float
    slave: str
    name: str
    host: str
    blender: str
    threads: int
    features: tuple[str, ...] = ()
    holding: tuple[Held, ...] = ()
    tags: tuple[str, ...] = ()
    memory: int = 0
    confined: tuple[str, ...] = ()
    aside: str = ""


@frozen(kw_only=True)
class SlaveLeft:
    now: float
    slave: str
    reason: str


@frozen(kw_only=True)
class SlaveAside:
    """The slave's machine can render nothing now. What ``holding`` names is rendered, and will come."""

    now: float
    slave: str
    reason: str
    job: str = ""  # with which it showed
    holding: tuple[Held, ...] = ()


@frozen(kw_only=True)
class SlaveFit:
    """It can again."""

    now: float
    slave: str


@frozen(kw_only=True)
class GraceEnded:
    """The time is over that slaves have to come back after the coordinator was away."""

    now: float


@frozen(kw_only=True)
class FrameStarted:
    now: float
    slave: str
    lease: int
    frame: int


@frozen(kw_only=True)
class FrameDone:
    now: float
    slave: str
    lease: int
    job: str
    frame: int
    seconds: float
    sha256: str = ""  # empty if the job's results are discarded
    size: int = 0


@frozen(kw_only=True)
class FrameFailed:
    now: float
    slave: str
    lease: int
    frame: int
    message: str
    fault: Fault = Fault.FRAME


Event = (
    JobAnnounced
    | JobRestored
    | BlobsArrived
    | JobCommanded
    | JobChanged
    | SlaveHealed
    | Tick
    | SlaveJoined
    | SlaveLeft
    | SlaveAside
    | SlaveFit
    | GraceEnded
    | FrameStarted
    | FrameDone
    | FrameFailed
)

# --- decisions --------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Granted:
    """The slave gets these frames under a new lease."""

    lease: int
    slave: str
    job: str
    frames: tuple[int, ...]
    stall: float  # seconds without a sign of progress after which the renderer hangs


@frozen(kw_only=True)
class Revoked:
    """What the slave still does under this lease, or for these of its frames, is void."""

    lease: int
    slave: str
    reason: str
    frames: tuple[int, ...] = ()  # empty for all


@frozen(kw_only=True)
class JobMoved:
    """The job is new, or its state, its reason, its priority or the Blender version it is pinned to changed."""

    job: str
    state: JobState
    reason: str


@frozen(kw_only=True)
class FrameMoved:
    job: str
    frame: int
    state: FrameState
    reason: str
    slave: str = ""  # id of the slave that did or does it
    lease: int = 0
    attempts: int = 0
    seconds: float | None = None
    sha256: str = ""
    size: int = 0


@frozen(kw_only=True)
class FrameBegun:
    job: str
    frame: int
    slave: str


@frozen(kw_only=True)
class SlaveMoved:
    """The slave joined or left, or does something else now."""

    slave: str
    connected: bool
    persist: bool = field(default=False)  # what the store keeps of it changed


Decision = Granted | Revoked | JobMoved | FrameMoved | FrameBegun | SlaveMoved
