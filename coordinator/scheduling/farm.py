"""The farm as the scheduler sees it: jobs, slaves and the leases between them."""

from attrs import define, field

from ..protocol.jobs import Manifest
from ..protocol.states import JOB_MOVES, FrameState, JobState, check
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

    def measured(self, seconds: float) -> None:
        """Learn from a frame that took ``seconds``; recent frames count most, as cost drifts along an animation."""
        old = self.frame_seconds
        self.frame_seconds = seconds if old is None else old + (seconds - old) * 0.3

    @property
    def ready(self) -> bool:
        return self.state is JobState.QUEUED and self.frames.count(FrameState.QUEUED) > 0


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
