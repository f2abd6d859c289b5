"""Which work goes to whom."""

from .chunks import chunk_size
from .events import Decision
from .failures import better_elsewhere
from .farm import Farm
from .leases import grant
from .models import Job, Slave
from .newcomers import make_room
from .stragglers import help_out


def dispatch(farm: Farm) -> list[Decision]:
    """Give work to every slave that can take some: to those to which something happened, or to all if there is news."""
    decisions: list[Decision] = []
    while farm.ranking.news or farm.woken:
        if farm.ranking.news:
            farm.ranking.news = False
            slaves = list(farm.hungry.values())
        else:
            slaves = list(farm.woken.values())
        awake = list(farm.woken.values())
        farm.woken.clear()
        # Who has nothing at all comes before who would only hold it ready for later.
        for slave in sorted(slaves, key=lambda slave: bool(slave.leases)) if len(slaves) > 1 else slaves:
            if not farm.ranking.groups:
                break
            if slave.id in farm.hungry:
                decisions += _serve(farm, slave)
        farm.woken.clear()  # a grant looks after its slave, but there is nothing more for it
        decisions += make_room(farm)
        decisions += help_out(farm, awake)
    return decisions


def _serve(farm: Farm, slave: Slave) -> list[Decision]:
    for job in candidates(farm, slave):
        frames = job.frames.take(chunk_size(farm, job, slave), better_elsewhere(farm, slave, job))
        if frames:
            return grant(farm, slave, job, frames)
    return []


def candidates(farm: Farm, slave: Slave) -> list[Job]:
    """The jobs of which this slave gets something, best first; of those that it is sure to get, no more than one."""
    # A slave that still renders gets its next chunk early, but not the last frames: another may be free sooner.
    if slave.leases and farm.ranking.frames < len(farm.online):
        return []
    uncertain: list[Job] = []  # it failed in them: maybe what is left is for others
    exceptions: list[Job] = []
    for not_first, weighted, _, number in farm.ranking.best_first(slave.kind, slave.name):
        job = farm.jobs[number]
        if slave.id in job.barred:
            continue
        if is_exception(farm, job):
            exceptions.append(job)
            continue
        if slave.id in job.failed_on:
            uncertain.append(job)
            continue
        if not_first:
            job = _scene_at_hand(farm, slave, weighted) or job
        return [*uncertain, job]
    return uncertain + exceptions


def is_exception(farm: Farm, job: Job) -> bool:
    """It has more than its most, counting what slaves render and what they hold ready: it goes behind the others."""
    return (job.rendering + job.committed) / 2 > farm.policy.max_share * len(farm.online)


def _scene_at_hand(farm: Farm, slave: Slave, best: float) -> Job | None:
    """The job that the slave rendered last, if it is ahead of the best by next to nothing: no scene is opened anew."""
    job = farm.jobs.get(slave.last_job)
    if (
        job is None
        or job not in farm.ranking
        or job.entry is None
        or not job.entry[0]
        or job.entry[1] > best + farm.policy.sticky
        or slave.id in job.failed_on
        or is_exception(farm, job)
        or not farm.would_render(slave, job)
    ):
        return None
    return job
