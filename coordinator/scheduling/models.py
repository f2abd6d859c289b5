"""Jobs, slaves and the leases between them, as the scheduler sees them."""

from collections import Counter
from collections.abc import Iterable

from attrs import define, field

from ..constants import FRAME_LEAST, FRAME_MOST
from ..protocol.frames import FrameRange
from ..protocol.jobs import File, Manifest
from ..protocol.states import ENDED, JOB_MOVES, JobState, check
from .frames import FrameTable
from .needs import Kind, Need, series

RECENT = 0.3  # weight of the newest frame in a running mean; cost drifts along an animation


@define(kw_only=True, eq=False)
class Job:
    manifest: Manifest
    id: str
    order: int  # the older job has the smaller one
    created: float
    frames: FrameTable
    state: JobState
    reason: str
    priority: int = 1
    max_slaves: int = 0  # at once; 0 for no limit
    missing: set[str] = field(factory=set)  # blobs that have not arrived
    _waits: Counter[int] = field(factory=Counter)  # how many of the missing files a frame of its own needs
    _common: frozenset[str] | None = None  # blobs that all frames need
    blender: str = ""  # series that renders it, "4.5"; pinned by its first dispatch, so that all frames look alike
    started: float | None = None
    finished: float | None = None
    leases: set[int] = field(factory=set)
    users: dict[str, int] = field(factory=dict)  # slaves that have leases of it, and how many
    rendering: int = 0  # slaves whose first lease, on which they work, is of it
    committed: int = 0  # slaves whose last lease, after which they are free, is of it
    twice: dict[int, list[int]] = field(factory=dict)  # frames that two slaves render: their leases
    dispatched: int = 0  # frames, ever
    last_dispatch: float = 0.0
    released: float = 0.0  # when no slave had anything of it any more
    usage: float = 0.0  # share of the farm that it held, averaged over time; as of the last sample
    attempts: dict[int, int] = field(factory=dict)  # failures, by frame
    failed_on: dict[str, set[int]] = field(factory=dict)  # frames that failed, by slave
    failures: dict[str, int] = field(factory=dict)  # by slave
    barred: dict[str, float] = field(factory=dict)  # slaves that get no more of it, and since when
    unable: dict[str, str] = field(factory=dict)  # those of them whose machine cannot render it: why
    asides: dict[str, int] = field(factory=dict)  # times that a slave was set aside with it, since it rendered a frame
    excused: dict[int, int] = field(factory=dict)  # times that a frame was begun on a machine that could not render it
    done_by: dict[str, int] = field(factory=dict)  # frames done, by the slave's name
    frame_seconds: float | None = None  # running mean of the last frames' render times
    seconds_on: dict[str, float] = field(factory=dict)  # the same, by slave
    open_seconds: float = 0.0  # from a slave's first chunk to its first frame: files, and opening the scene
    need: Need = field(init=False)
    scene: str = field(init=False)  # slaves that have one open that is equal begin at once
    entry: tuple[bool, float, int, str] | None = None  # its place in the ranking

    def __attrs_post_init__(self) -> None:
        self.need = Need.of(self.manifest, self.blender)
        self.scene = self.manifest.scene

    def wait_for(self, missing: Iterable[str]) -> bool:
        """These blobs are missing. True if some frame has all that it needs: the job need not wait for the rest."""
        self.frames.release(self._waits)
        self.missing, self._waits = set(missing), Counter()
        for file in self.manifest.files:
            if file.sha256 in self.missing and file.frames:
                self._waits.update(self._own(file))
        self.frames.hold(self._waits)
        return self.can_begin

    def arrived(self, blobs: frozenset[str]) -> bool:
        """These blobs are there now. As ``wait_for``."""
        came = self.missing & blobs
        self.missing -= came
        ready = []
        for file in self.manifest.files if came else ():
            if file.sha256 in came and file.frames:
                for frame in self._own(file):
                    self._waits[frame] -= 1
                    if not self._waits[frame]:
                        del self._waits[frame]
                        ready.append(frame)
        self.frames.release(ready)
        return self.can_begin

    @property
    def can_begin(self) -> bool:
        """The files that all frames need are there, and those of some frame."""
        if self._common is None:
            self._common = frozenset(file.sha256 for file in self.manifest.files if not file.frames)
        return self.missing.isdisjoint(self._common) and len(self._waits) < len(self.frames.range)

    def _own(self, file: File) -> list[int]:
        return [frame for frame in FrameRange.parse(file.frames) if frame in self.frames.range]

    def move(self, new: JobState, reason: str) -> None:
        check(JOB_MOVES, f"job {self.id}", self.state, new, reason)
        self.state, self.reason = new, reason

    def pin(self, blender: str) -> None:
        """Only this series renders it from now on; any may again for ''."""
        self.blender = blender
        self.need = Need.of(self.manifest, blender)

    def measured(self, seconds: float, slave: str | None = None) -> None:
        """Learn from a frame that took ``seconds``."""
        seconds = min(max(seconds, FRAME_LEAST), FRAME_MOST)
        old = self.frame_seconds
        self.frame_seconds = seconds if old is None else old + (seconds - old) * RECENT
        if slave is not None:
            old = self.seconds_on.get(slave)
            self.seconds_on[slave] = seconds if old is None else old + (seconds - old) * RECENT

    def expected(self, slave: str) -> float | None:
        """Seconds that this slave is expected to need for a frame; None if nothing is known."""
        return self.seconds_on.get(slave, self.frame_seconds)

    def bar(self, slave: str, now: float, unable: str = "") -> None:
        """The slave gets no more of it; because its machine cannot render it, if that is said."""
        self.barred.setdefault(slave, now)
        if unable:
            self.unable[slave] = unable

    def forgive(self, slave: str) -> None:
        """As if the slave had never failed it."""
        for known in (self.failures, self.barred, self.unable, self.asides):
            known.pop(slave, None)

    @property
    def full(self) -> bool:
        return 0 < self.max_slaves <= len(self.users)

    @property
    def ready(self) -> bool:
        return self.state is JobState.QUEUED and self.frames.takeable > 0

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@define(kw_only=True, eq=False)
class Slave:
    id: str
    name: str
    host: str
    blender: str
    threads: int
    features: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    memory: int = 0
    confined: tuple[str, ...] = ()  # what its renderer has given up; not kept on disk
    connected: bool = False
    leases: list[int] = field(factory=list)  # in the order in which it works on them
    renders_for: str = ""  # the job of the first of them ...
    committed_to: str = ""  # ... and of the last
    last_seen: float = 0.0
    job: str = ""  # what it renders now
    frame: int | None = None
    seconds: float | None = None  # its time for frames, relative to the mean of their jobs
    last_job: str = ""  # the job that it rendered last
    scene: str = ""  # that it opened last
    failed_jobs: dict[str, str] = field(factory=dict)  # jobs in which it failed since its last success: the message
    sick_since: float | None = None
    aside: str = ""  # why its machine can render nothing now; it says so itself, and when that is over
    kind: Kind = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.describe()

    @property
    def well(self) -> bool:
        """Whether it may be given work."""
        return self.sick_since is None and not self.aside

    def holds(self, job: Job) -> bool:
        """Whether it has the job's scene open."""
        return self.last_job == job.id or (self.scene != "" and self.scene == job.scene)

    def describe(self) -> None:
        """To be called when what it is has changed."""
        self.kind = Kind(blender=series(self.blender), features=self.features, tags=self.tags, memory=self.memory)


@define(kw_only=True, eq=False)
class Lease:
    id: int
    job: str
    slave: str
    frames: set[int]  # neither done nor failed yet
    unstarted: set[int]
    given: tuple[int, ...] = ()  # in the order in which they are rendered
    granted: float = 0.0
    first: bool = False  # its job went before others: nobody else's turn comes before it is begun
    before: float = 0.0  # when its job was given something before
    current: int | None = None  # the frame that renders ...
    since: float = 0.0  # ... since then
    unopened: bool = False  # a frame of it failed before it began

    def drop(self, frame: int) -> None:
        self.frames.discard(frame)
        self.unstarted.discard(frame)
        if self.current == frame:
            self.current = None
