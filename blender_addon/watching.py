"""The farm as it is: jobs and slaves, kept up by the coordinator's events. No bpy, no I/O but the client's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import attrs

from . import errands, farm

if TYPE_CHECKING:
    from coordinator.client import Client
    from coordinator.protocol.jobs import JobInfo, SlaveInfo


def follow(client: Client, tell: errands.Tell) -> None:
    """Tell all that happens, until the connection ends."""
    events = client.events()  # before the list, so that nothing is missed
    for slave in client.slaves():
        tell(farm.messages.SlaveChanged(slave=slave))
    for event in events:
        if event is not None:
            tell(event)


@dataclass
class Farm:
    """What panels draw."""

    connected: bool = False
    line: str = ""  # where it is, or why it cannot be reached
    jobs: dict[str, JobInfo] = field(default_factory=dict)
    slaves: dict[str, SlaveInfo] = field(default_factory=dict)

    def clear(self) -> None:
        self.connected, self.line = False, ""
        self.jobs.clear()
        self.slaves.clear()

    def take(self, event: Any) -> None:
        """Something that ``follow`` told."""
        messages = farm.messages
        match event:
            case errands.Connected(line=line):
                self.connected, self.line = True, line.partition("#")[0]  # not the key: it is on the screen
            case errands.Broke(error=error):
                self.connected, self.line = False, error.message
            case messages.JobChanged(job=job):
                self.jobs[job.id] = job
            case messages.SlaveChanged(slave=slave):
                self.slaves[slave.id] = slave
            case messages.FrameDispatched(job=job):
                self._count(job, queued=-1, dispatched=1)
            case messages.FrameDone(job=job):
                self._count(job, dispatched=-1, done=1)
            case messages.FrameFailed(job=job, final=True):
                self._count(job, dispatched=-1, error=1)
            case messages.FrameQueued(job=job):
                self._count(job, dispatched=-1, queued=1)

    def _count(self, job: str, **changes: int) -> None:
        """Between two reports of a job its counts follow the events."""
        info = self.jobs.get(job)
        if info is not None:
            counts = {name: max(0, getattr(info.counts, name) + change) for name, change in changes.items()}
            self.jobs[job] = attrs.evolve(info, counts=attrs.evolve(info.counts, **counts))

    def summary(self) -> str:
        """A line about all of it."""
        slaves = sum(slave.connected for slave in self.slaves.values())
        running = sum(job.state not in farm.states.ENDED for job in self.jobs.values())
        done = sum(job.counts.done for job in self.jobs.values())
        total = sum(job.counts.total for job in self.jobs.values())
        plural = "s" * (slaves != 1)
        return f"{slaves} slave{plural}, {running} of {len(self.jobs)} jobs open, {done} of {total} frames done"
