"""Virtual time around the real ``step``: slaves of given speeds render frames of given cost."""

import hashlib
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from attrs import define, field, frozen

from coordinator.protocol.jobs import File, Manifest, RenderSettings
from coordinator.scheduling import events as e
from coordinator.scheduling.farm import Farm
from coordinator.scheduling.models import Job
from coordinator.scheduling.policy import Policy
from coordinator.scheduling.step import step
from coordinator.scheduling.upkeep import due

LATENCY = 0.01  # seconds that a message takes

Cost = Callable[[int], float]  # seconds that a frame takes at speed 1


@frozen
class Span:
    """One slave rendered one frame from here to there."""

    slave: str
    job: str  # its name
    frame: int
    begin: float
    end: float
    kept: bool  # its result was taken


@define
class SimulatedSlave:
    name: str
    speed: float = 1.0
    hangs_from: float = float("inf")  # from then on it never ends a frame, and says nothing
    fails: Callable[[str, int], bool] = lambda job, frame: False
    todo: deque[tuple[int, str, int]] = field(factory=deque)  # lease, job, frame
    current: tuple[int, str, int] | None = None
    begin: float = 0.0
    version: int = 0  # what was planned before the last change is void
    scene: str = ""


def manifest(name: str, frames: str, **changes: object) -> Manifest:
    return Manifest(
        name=name,
        blend="scene.blend",
        files=(File(path="scene.blend", sha256=hashlib.sha256(name.encode()).hexdigest(), size=1),),
        frames=frames,
        render=RenderSettings(scene="Scene", engine="CYCLES"),
        blender="4.2",
        **changes,  # type: ignore[arg-type]
    )


@define
class Simulator:
    """Add slaves and jobs at their times, run, and look at ``spans``."""

    policy: Policy = field(factory=Policy)
    opening: float = 0.0  # seconds to open a scene
    now: float = 0.0
    farm: Farm = field(init=False)
    slaves: dict[str, SimulatedSlave] = field(factory=dict)
    costs: dict[str, Cost] = field(factory=dict)  # by job's id
    spans: list[Span] = field(factory=list)
    presence: dict[str, list[float]] = field(factory=dict)  # by slave: when it joined, left, joined ...
    _events: list[tuple[float, int, Callable[[], None]]] = field(factory=list)
    _numbers: "count[int]" = field(factory=count)
    _alarm: float | None = None

    def __attrs_post_init__(self) -> None:
        self.farm = Farm(policy=self.policy)

    def at(self, time: float, action: Callable[[], None]) -> None:
        heappush(self._events, (time, next(self._numbers), action))

    def join(self, slave: SimulatedSlave, at: float = 0.0) -> None:
        self.at(at, lambda: self._join(slave))

    def leave(self, name: str, at: float) -> None:
        self.at(at, lambda: self._leave(name))

    def submit(self, job: Manifest, cost: Cost, at: float = 0.0) -> str:
        """The job's id."""
        self.costs[job.id] = cost
        self.at(at, lambda: self.feed(e.JobAnnounced(now=self.now, manifest=job, missing=frozenset())))
        return job.id

    def job(self, number: str) -> Job:
        return self.farm.jobs[number]

    def run(self, until: float = float("inf")) -> None:
        """Until this time, or until nothing more happens, or every job has ended."""
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heappop(self._events)
            action()
            if self.farm.jobs and all(job.ended for job in self.farm.jobs.values()) and not self._jobs_to_come():
                return
        self.now = max(self.now, until) if until < float("inf") else self.now

    def _jobs_to_come(self) -> bool:
        return len(self.farm.jobs) < len(self.costs)

    def feed(self, event: e.Event) -> None:
        for decision in step(self.farm, event):
            match decision:
                case e.Granted():
                    granted = decision
                    self.at(self.now + LATENCY, lambda granted=granted: self._receive(granted))  # type: ignore[misc]
                case e.Revoked():
                    revoked = decision
                    self.at(self.now + LATENCY, lambda revoked=revoked: self._drop(revoked))  # type: ignore[misc]
        when = due(self.farm)
        if when is not None and (self._alarm is None or when < self._alarm):
            self._alarm = when
            self.at(when, lambda: self._tick(when))

    def _tick(self, planned: float) -> None:
        if self._alarm == planned:
            self._alarm = None
            self.feed(e.Tick(now=self.now))

    # --- slaves ---

    def _join(self, slave: SimulatedSlave) -> None:
        self.slaves[slave.name] = slave
        self.presence.setdefault(slave.name, []).append(self.now)
        self.feed(e.SlaveJoined(now=self.now, slave=slave.name, name=slave.name, host="h", blender="4.5.0", threads=1))

    def _leave(self, name: str) -> None:
        slave = self.slaves.pop(name)
        self.presence[name].append(self.now)
        self._end(slave, kept=False)
        slave.todo.clear()
        slave.scene = ""
        self.feed(e.SlaveLeft(now=self.now, slave=name, reason="it left"))

    def _receive(self, granted: e.Granted) -> None:
        slave = self.slaves.get(granted.slave)
        if slave is not None:
            slave.todo.extend((granted.lease, granted.job, frame) for frame in granted.frames)
            self._next(slave)

    def _drop(self, revoked: e.Revoked) -> None:
        slave = self.slaves.get(revoked.slave)
        if slave is None:
            return

        def void(item: tuple[int, str, int]) -> bool:
            return item[0] == revoked.lease and (not revoked.frames or item[2] in revoked.frames)

        slave.todo = deque(item for item in slave.todo if not void(item))
        if slave.current is not None and void(slave.current):
            self._end(slave, kept=False)
            self._next(slave)

    def _next(self, slave: SimulatedSlave) -> None:
        if slave.current is not None or not slave.todo:
            return
        slave.current = lease, job, frame = slave.todo.popleft()
        slave.begin = self.now
        slave.version += 1
        opening = self.opening if slave.scene != job else 0.0
        slave.scene = job
        if self.now + opening >= slave.hangs_from:
            return
        self._later(slave, opening, lambda: self._say_started(slave, lease, frame))
        seconds = self.costs[job](frame) / slave.speed
        if self.now + opening + seconds < slave.hangs_from:
            self._later(slave, opening + seconds, lambda: self._over(slave, seconds))

    def _later(self, slave: SimulatedSlave, seconds: float, action: Callable[[], None]) -> None:
        version = slave.version

        def act() -> None:
            if slave.version == version and self.slaves.get(slave.name) is slave:
                action()

        self.at(self.now + seconds, act)

    def _say_started(self, slave: SimulatedSlave, lease: int, frame: int) -> None:
        if lease in self.farm.leases and frame in self.farm.leases[lease].frames:
            self.feed(e.FrameStarted(now=self.now, slave=slave.name, lease=lease, frame=frame))

    def _over(self, slave: SimulatedSlave, seconds: float) -> None:
        assert slave.current is not None
        lease, job, frame = slave.current
        held = self.farm.leases.get(lease)
        wanted = held is not None and frame in held.frames
        failed = slave.fails(job, frame)
        self._end(slave, kept=wanted and not failed)
        self._next(slave)
        if wanted and failed:
            self.feed(e.FrameFailed(now=self.now, slave=slave.name, lease=lease, frame=frame, message="it broke"))
        elif wanted:
            self.feed(e.FrameDone(now=self.now, slave=slave.name, lease=lease, job=job, frame=frame, seconds=seconds))

    def _end(self, slave: SimulatedSlave, *, kept: bool) -> None:
        if slave.current is None:
            return
        _, job, frame = slave.current
        name = self.farm.jobs[job].manifest.name
        self.spans.append(Span(slave.name, name, frame, slave.begin, self.now, kept))
        slave.current = None
        slave.version += 1

    def finish_spans(self) -> None:
        """Close what renders when the simulation ends, for whoever looks at the spans."""
        for slave in self.slaves.values():
            self._end(slave, kept=False)
