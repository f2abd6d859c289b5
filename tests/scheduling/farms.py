"""A farm to feed events to, and short words for doing so."""

from attrs import define, field

from coordinator.protocol.jobs import File, Manifest, RenderSettings
from coordinator.protocol.states import Fault, FrameState, JobState
from coordinator.scheduling import events as e
from coordinator.scheduling.farm import Farm
from coordinator.scheduling.models import Job
from coordinator.scheduling.step import step

BLOB = "ab" * 32


def manifest(frames: str = "1-4", *, chunk: int = 1, name: str = "job", **changes: object) -> Manifest:
    return Manifest(
        name=name,
        blend="scene.blend",
        files=(File(path="scene.blend", sha256=BLOB, size=1),),
        frames=frames,
        render=RenderSettings(scene="Scene", engine="CYCLES"),
        blender=str(changes.pop("blender", "4.2")),
        chunk=chunk,
        **changes,  # type: ignore[arg-type]
    )


@define
class FarmUnderTest:
    """Feeds events to the real ``step``, one second apart, and keeps what is granted."""

    farm: Farm = field(factory=Farm)
    now: float = 0.0
    grants: dict[int, e.Granted] = field(factory=dict)

    def feed(self, event_type: type, **fields: object) -> list[e.Decision]:
        self.now += 1.0
        decisions = step(self.farm, event_type(now=self.now, **fields))
        self.grants |= {d.lease: d for d in decisions if isinstance(d, e.Granted)}
        return decisions

    def job(self, job: Manifest, missing: frozenset[str] = frozenset()) -> Job:
        self.feed(e.JobAnnounced, manifest=job, missing=missing)
        return self.farm.jobs[job.id]

    def join(self, slave: str, blender: str = "4.5.0", **fields: object) -> list[e.Decision]:
        return self.feed(e.SlaveJoined, slave=slave, name=slave, host="h", blender=blender, threads=1, **fields)

    def start(self, lease: int, frame: int) -> list[e.Decision]:
        return self.feed(e.FrameStarted, slave=self.grants[lease].slave, lease=lease, frame=frame)

    def done(self, lease: int, frame: int, seconds: float = 1.0) -> list[e.Decision]:
        grant = self.grants[lease]
        return self.feed(
            e.FrameDone,
            slave=grant.slave,
            lease=lease,
            job=grant.job,
            frame=frame,
            seconds=seconds,
            sha256=BLOB,
            size=1,
        )

    def fail(self, lease: int, frame: int, message: str = "it broke", fault: Fault = Fault.FRAME) -> list[e.Decision]:
        slave = self.grants[lease].slave
        return self.feed(e.FrameFailed, slave=slave, lease=lease, frame=frame, message=message, fault=fault)


def granted(decisions: list[e.Decision]) -> list[tuple[str, tuple[int, ...]]]:
    return [(d.slave, d.frames) for d in decisions if isinstance(d, e.Granted)]


def moves(decisions: list[e.Decision]) -> list[tuple[int, FrameState]]:
    return [(d.frame, d.state) for d in decisions if isinstance(d, e.FrameMoved)]


def job_moves(decisions: list[e.Decision]) -> list[JobState]:
    return [d.state for d in decisions if isinstance(d, e.JobMoved)]
