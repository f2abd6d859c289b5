"""The farm as it is: jobs and slaves, kept up by the coordinator's events. No bpy, no I/O but the client's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import attrs

from . import errands, farm

if TYPE_CHECKING:
    from coordinator.client import Client
    from coordinator.errors import NetrenderError
    from coordinator.protocol.jobs import JobInfo, SlaveInfo


@dataclass(frozen=True)
class Anew:
    """What follows is all that there is, from the beginning."""


@dataclass(frozen=True)
class Lost:
    """The coordinator does not answer any more; it is tried again."""

    error: NetrenderError


def follow(client: Client, tell: errands.Tell) -> None:
    """Tell all that happens, over restarts of the coordinator, until the client is closed."""
    failures = 0
    while not client.closed.is_set():
        try:
            events = client.events()  # before the list, so that nothing is missed
            slaves = client.slaves()
            failures = 0
            tell(Anew())
            for slave in slaves:
                tell(farm.messages.SlaveChanged(slave=slave))
            for event in events:
                if event is not None:
                    tell(event)
        except farm.errors.UnreachableError as error:
            if not failures:
                tell(Lost(error))
            failures += 1
            client.closed.wait(farm.uploads.backoff(failures))


@dataclass(frozen=True)
class Busy:
    """The frame that a slave renders."""

    job: str
    frame: int
    sample: int = 0
    samples: int = 0


@dataclass
class Farm:
    """What panels draw."""

    connected: bool = False
    line: str = ""  # where it is, or why it cannot be reached
    jobs: dict[str, JobInfo] = field(default_factory=dict)  # by id
    slaves: dict[str, SlaveInfo] = field(default_factory=dict)  # by id
    busy: dict[str, Busy] = field(default_factory=dict)  # by name: what a slave renders now
    _where: str = ""

    def clear(self) -> None:
        self.connected, self.line = False, ""
        self.jobs.clear()
        self.slaves.clear()
        self.busy.clear()

    def take(self, event: Any) -> None:
        """Something that ``follow`` told."""
        messages = farm.messages
        match event:
            case errands.Connected(line=line):
                self._where = line.partition("#")[0]  # not the key: it is on the screen
            case Anew():
                self.clear()
                self.connected, self.line = True, self._where
            case Lost(error=error) | errands.Broke(error=error):
                self.connected, self.line = False, error.message
            case messages.ProblemChanged(problem=problem):
                self.line = problem or self._where
            case messages.JobChanged(job=job):
                self.jobs[job.id] = job
            case messages.SlaveChanged(slave=slave):
                self.slaves[slave.id] = slave
                if not slave.connected:
                    self.busy.pop(slave.name, None)
            case messages.FrameDispatched(job=job):
                self._count(job, queued=-1, dispatched=1)
            case messages.FrameStarted(job=job, frame=frame, slave=name):
                self.busy[name] = Busy(job, frame)
            case messages.FrameProgress(job=job, frame=frame, slave=name, sample=sample, samples=samples):
                self.busy[name] = Busy(job, frame, sample, samples)
            case messages.FrameDone(job=job, frame=frame, slave=name):
                self._count(job, dispatched=-1, done=1)
                self._idle(name, job, frame)
                if (info := self.jobs.get(job)) is not None:
                    self.jobs[job] = attrs.evolve(info, slaves={**info.slaves, name: info.slaves.get(name, 0) + 1})
            case messages.FrameFailed(job=job, frame=frame, slave=name, final=final):
                self._count(job, dispatched=-1, **{"error" if final else "queued": 1})
                self._idle(name, job, frame)
            case messages.FrameQueued(job=job):
                self._count(job, dispatched=-1, queued=1)

    def _count(self, job: str, **changes: int) -> None:
        """Between two reports of a job its counts follow the events."""
        info = self.jobs.get(job)
        if info is not None:
            counts = {name: max(0, getattr(info.counts, name) + change) for name, change in changes.items()}
            self.jobs[job] = attrs.evolve(info, counts=attrs.evolve(info.counts, **counts))

    def _idle(self, slave: str, job: str, frame: int) -> None:
        """Unless it renders the next frame already, as it does while it sends this one."""
        busy = self.busy.get(slave)
        if busy is not None and (busy.job, busy.frame) == (job, frame):
            del self.busy[slave]

    def doing(self, slave: SlaveInfo) -> str:
        """What a slave does now, in few words."""
        if not slave.connected:
            return "Away"
        if slave.aside:
            return f"Set aside: {slave.aside}"
        if slave.sick:
            return "Sick"
        busy = self._busy(slave)
        if busy is None:
            return "Waits for work"
        name = self.jobs[busy.job].name if busy.job in self.jobs else busy.job
        return f"{name}, frame {busy.frame}"

    def samples(self, slave: SlaveInfo) -> str:
        """How far a slave is with its frame; empty if it has not said."""
        busy = self._busy(slave)
        return f"Sample {busy.sample} of {busy.samples}" if busy is not None and busy.samples else ""

    def _busy(self, slave: SlaveInfo) -> Busy | None:
        told = Busy(slave.job, slave.frame or 0) if slave.job else None  # as it was when we began to look
        return self.busy.get(slave.name, told)

    def job_ids(self) -> list[str]:
        """As a list shows them: the newest first."""
        return sorted(self.jobs, key=lambda job: (-self.jobs[job].created, job))

    def slave_ids(self) -> list[str]:
        """As a list shows them: those that are there first, by name."""
        return sorted(self.slaves, key=lambda slave: (not self.slaves[slave].connected, self.slaves[slave].name, slave))

    def hint(self, job: str, blender: tuple[int, ...]) -> str:
        """Why nothing of this job is rendered, if it is for want of slaves; ``blender`` made its file."""
        info = self.jobs.get(job)
        if info is None or info.state is not farm.states.JobState.QUEUED or info.counts.dispatched:
            return ""
        versions = [slave.blender for slave in self.slaves.values() if slave.connected]
        if not versions:
            return "No slave is there: start one on any computer of your network"
        if all(_version(version) < blender[:2] for version in versions):
            needed = ".".join(map(str, blender[:2]))
            return f"No slave has Blender {needed} or later; the latest is {max(versions, key=_version)}"
        return ""

    def summary(self) -> str:
        """A line about all of it."""
        slaves = sum(slave.connected for slave in self.slaves.values())
        running = sum(job.state not in farm.states.ENDED for job in self.jobs.values())
        done = sum(job.counts.done for job in self.jobs.values())
        total = sum(job.counts.total for job in self.jobs.values())
        plural = "s" * (slaves != 1)
        return f"{slaves} slave{plural}, {running} of {len(self.jobs)} jobs open, {done} of {total} frames done"


def _version(text: str) -> tuple[int, ...]:
    """Major and minor of "4.5.15"."""
    return tuple(int(part) for part in text.split(".")[:2])
