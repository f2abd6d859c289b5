"""The farm as the scheduler sees it: jobs, slaves and the leases between them."""

from collections import Counter
from collections.abc import Iterable

from attrs import define, field

from ..protocol.frames import FrameRange
from ..protocol.jobs import File, Manifest
from ..protocol.states import JOB_MOVES, JobState, check
from .frames import FrameTable


def series(version: str) -> tuple[int, int]:
    """``"4.5.15"`` is of the series (4, 5): within one, a file renders the same."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


@define(kw_only=True, eq=False)
class Job:
    manifest: Manifest
    id: str
    order: int  # the older job has the smaller one
    created: float
    frames: FrameTable
    state: JobState
    reason: str
    missing: set[str] = field(factory=set)  # blobs that have not arrived
    _waits: Counter[int] = field(factory=Counter)  # how many of the missing files a frame of its own needs
    _common: frozenset[str] | None = None  # blobs that all frames need
    blender: str = ""  # series that renders it, "4.5"; pinned by its first dispatch, so that all frames look alike
    started: float | None = None
    finished: float | None = None
    leases: set[int] = field(factory=set)
    attempts: dict[int, int] = field(factory=dict)  # failures, by frame
    failed_on: dict[str, set[int]] = field(factory=dict)  # frames that failed, by slave
    done_by: dict[str, int] = field(factory=dict)  # frames done, by the slave's name
    frame_seconds: float | None = None  # running mean of the last frames' render times

    def move(self, new: JobState, reason: str) -> None:
        check(JOB_MOVES, f"job {self.id}", self.state, new, reason)
        self.state, self.reason = new, reason

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

    @property
    def scene(self) -> str:
        """The blob of its .blend: slaves that hold it open begin at once."""
        return next(file.sha256 for file in self.manifest.files if file.path == self.manifest.blend)

    def measured(self, seconds: float) -> None:
        """Learn from a frame that took ``seconds``; recent frames count most, as cost drifts along an animation."""
        old = self.frame_seconds
        self.frame_seconds = seconds if old is None else old + (seconds - old) * 0.3

    @property
    def ready(self) -> bool:
        return self.state is JobState.QUEUED and self.frames.takeable > 0


@define(kw_only=True, eq=False)
class Slave:
    id: str
    name: str
    host: str
    blender: str
    threads: int
    features: frozenset[str] = frozenset()
    connected: bool = False
    leases: list[int] = field(factory=list)  # in the order in which it works on them
    last_seen: float = 0.0
    job: str = ""  # what it renders now
    frame: int | None = None
    scene: str = ""  # blob of the .blend that it opened, or will open, last

    def holds(self, job: Job) -> bool:
        """Whether it has the job's scene: among equal jobs it gets this one."""
        return self.scene == job.scene


@define(kw_only=True, eq=False)
class Lease:
    id: int
    job: str
    slave: str
    frames: set[int]  # neither done nor failed yet
    unstarted: set[int]

    def drop(self, frame: int) -> None:
        self.frames.discard(frame)
        self.unstarted.discard(frame)


@define(kw_only=True, eq=False)
class Farm:
    jobs: dict[str, Job] = field(factory=dict)
    slaves: dict[str, Slave] = field(factory=dict)
    leases: dict[int, Lease] = field(factory=dict)
    next_lease: int = 1
    next_order: int = 1

    def may_render(self, slave: Slave, job: Job) -> bool:
        """Whether this slave's Blender can render the job as it was meant."""
        needs = job.manifest
        if job.blender and job.blender != "{}.{}".format(*series(slave.blender)):
            return False
        return series(slave.blender) >= series(needs.blender) and slave.features.issuperset(needs.features)

    def connected(self) -> list[Slave]:
        return [slave for slave in self.slaves.values() if slave.connected]
