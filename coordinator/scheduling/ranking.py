"""The jobs that have work, best first, by what they need of a slave: finding the next one costs no walk over jobs."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from heapq import merge
from math import inf

from attrs import define, field

from .models import Job
from .needs import Kind, Need
from .policy import Policy

Entry = tuple[bool, float, int, str]  # not among the first, usage / priority (or last dispatch), order, id


@define(eq=False)
class Group:
    """Jobs of one need, best first."""

    entries: list[Entry] = field(factory=list)
    met_by: dict[Kind, bool] = field(factory=dict)


@define(eq=False)
class Ranking:
    """Every job that is ready and not full, by its need."""

    groups: dict[Need, Group] = field(factory=dict)
    frames: int = 0  # queued, of all of them
    news: bool = False  # there is work that was not there before: whoever found none should look again
    starving: bool = False  # a job has just waited long enough to go first: room is to be made for it
    lead: float = 0.0  # seconds that go by, as far as is known, until some slave has ended its frame
    planned: float = inf  # when the next Tick is expected
    soonest: float = inf  # no job begins to go first earlier, because it waits: exact after a Tick, then a lower bound
    _places: dict[str, tuple[Need, int]] = field(factory=dict)  # by job: its need, and its frames that are counted

    def starves(self, job: Job, policy: Policy) -> float:
        """Return when the job goes first, if it gets nothing until then; never while a slave has something of it.

        It waits since its last frame was given out; but a long frame, or a chunk of many, is no time of waiting.
        """
        if job.users:
            return inf
        return max(job.last_dispatch, job.released - self.lead, job.created) + (policy.starved_after - self.lead)

    def look_for_starving(self, jobs: dict[str, Job], policy: Policy) -> None:
        """Find out when the first of those that do not go first yet will: a walk over all jobs, so once a Tick."""
        since = [
            max(job.last_dispatch, job.released - self.lead, job.created)
            for group in self.groups.values()
            for not_first, _, _, number in group.entries
            if not_first and not (job := jobs[number]).users
        ]
        self.soonest = min(since) + (policy.starved_after - self.lead) if since else inf

    def goes_first(self, job: Job, policy: Policy, now: float) -> bool:
        """Whether its turn comes before that of jobs which had enough: it is new, or has waited long."""
        return job.dispatched < policy.first_frames or now >= self.starves(job, policy)

    def put(self, job: Job, policy: Policy, slaves: int, now: float) -> bool:
        """Place the job anew, or take it out if it has no work to give. True if it starves before the next Tick."""
        old, waited = self._places.get(job.id), job.entry is not None and job.entry[0]
        if old is not None:
            self._remove(job, *old)
        if not job.ready or job.full:
            self._places.pop(job.id, None)
            return False
        queued = job.frames.takeable
        self.news = self.news or old is None or old[0] != job.need or queued > old[1]
        starves = self.starves(job, policy)
        first = job.dispatched < policy.first_frames or now >= starves
        if not first:
            weight = live_usage(job, policy, slaves) / job.priority
            self.soonest = min(self.soonest, starves)
        else:  # new ones, then who waits longest: usage that has faded away is the same for all
            weight = job.last_dispatch if job.dispatched >= policy.first_frames else 0.0
        job.entry = (not first, weight, job.order, job.id)
        if first and old is not None and waited:
            self.news = self.starving = True
        group = self.groups.get(job.need)
        if group is None:
            group = self.groups[job.need] = Group()
        insort(group.entries, job.entry)
        self.frames += queued
        self._places[job.id] = (job.need, queued)
        return not first and starves < self.planned

    def _remove(self, job: Job, need: Need, queued: int) -> None:
        group = self.groups[need]
        assert job.entry is not None
        del group.entries[bisect_left(group.entries, job.entry)]
        if not group.entries:
            del self.groups[need]
        self.frames -= queued

    def __contains__(self, job: Job) -> bool:
        return job.id in self._places

    def best_first(self, kind: Kind, name: str) -> Iterator[Entry]:
        """The jobs that a slave of this kind and name can render. Not to be used on after ``put``."""
        fitting: list[list[Entry]] = []
        for need, group in self.groups.items():
            met = group.met_by.get(kind)
            if met is None:
                met = group.met_by[kind] = need.met_by(kind)
            if met and need.admits(name):
                fitting.append(group.entries)
        return iter(fitting[0]) if len(fitting) == 1 else merge(*fitting)


def live_usage(job: Job, policy: Policy, slaves: int) -> float:
    """The average of what it held, and what it is going to hold, so that what was granted just now counts."""
    share = job.committed / slaves if slaves else 0.0
    return job.usage + (share - job.usage) * policy.usage_ahead
