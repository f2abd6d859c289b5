"""The farm: all jobs, slaves and leases, and what follows from them together."""

from attrs import define, field

from .models import Job, Lease, Slave
from .policy import Policy
from .ranking import Ranking


@define(kw_only=True, eq=False)
class Farm:
    policy: Policy = field(factory=Policy)
    now: float = 0.0  # of the last event
    sampled: float | None = None  # when usage was sampled last
    jobs: dict[str, Job] = field(factory=dict)
    slaves: dict[str, Slave] = field(factory=dict)
    leases: dict[int, Lease] = field(factory=dict)
    next_lease: int = 1
    next_order: int = 1
    ranking: Ranking = field(factory=Ranking)
    online: dict[str, Slave] = field(factory=dict)  # the connected slaves
    hungry: dict[str, Slave] = field(factory=dict)  # those that can take a chunk, and have found none
    woken: dict[str, Slave] = field(factory=dict)  # hungry slaves to which something happened in this step
    awaiting: dict[str, set[str]] = field(factory=dict)  # jobs by the blobs that they wait for
    dependents: dict[str, set[str]] = field(factory=dict)  # jobs by the jobs that they come after
    due_changed: bool = False  # `upkeep.due` may say an earlier time than before

    def add(self, job: Job) -> None:
        """Take in a job, new or loaded."""
        self.jobs[job.id] = job
        self.next_order = max(self.next_order, job.order + 1)
        self.await_blobs(job)
        for other in job.manifest.after:
            self.dependents.setdefault(other, set()).add(job.id)
        self.rank(job)

    def await_blobs(self, job: Job) -> None:
        for sha256 in job.missing:
            self.awaiting.setdefault(sha256, set()).add(job.id)

    def rank(self, job: Job) -> None:
        """To be called when anything changed on which its place among the jobs depends."""
        if self.ranking.put(job, self.policy, len(self.online), self.now):
            self.due_changed = True

    def recount(self, slave: Slave) -> None:
        """To be called when the leases of a slave have changed: how much of the farm each job has."""
        first = self.leases[slave.leases[0]].job if slave.leases else ""
        last = self.leases[slave.leases[-1]].job if slave.leases else ""
        if first != slave.renders_for:
            if slave.renders_for:
                self.jobs[slave.renders_for].rendering -= 1
            if first:
                self.jobs[first].rendering += 1
            slave.renders_for = first
        if last != slave.committed_to:
            if slave.committed_to:
                self.jobs[slave.committed_to].committed -= 1
                self.rank(self.jobs[slave.committed_to])
            if last:
                self.jobs[last].committed += 1
            slave.committed_to = last

    def may_render(self, slave: Slave, job: Job) -> bool:
        """Whether this slave can render the job as it was meant, and is wanted for it."""
        return job.need.met_by(slave.kind) and job.need.admits(slave.name)

    def would_render(self, slave: Slave, job: Job) -> bool:
        """Whether it would get work of this job, if there were some and it had nothing else to do."""
        return slave.connected and slave.well and slave.id not in job.barred and self.may_render(slave, job)

    def look_after(self, slave: Slave) -> None:
        """To be called when anything happened to a slave: maybe it can take work."""
        hungry = slave.connected and slave.well and not any(self.leases[lease].unstarted for lease in slave.leases)
        if hungry:
            self.hungry[slave.id] = self.woken[slave.id] = slave
        else:
            self.hungry.pop(slave.id, None)
            self.woken.pop(slave.id, None)

    def connect(self, slave: Slave, connected: bool) -> None:
        slave.connected = connected
        if connected:
            self.online[slave.id] = slave
        else:
            self.online.pop(slave.id, None)
        self.look_after(slave)
        self.ranking.news = True  # who is there decides who else may try a frame that failed

    def connected(self) -> list[Slave]:
        return list(self.online.values())
