"""What happens because time passes: usage is sampled, waiting jobs begin, failures are forgiven."""

from math import exp, inf

from ..constants import STARVED_LEAD, TAIL_CHECK
from ..protocol.states import JobState
from . import events as e
from .failures import forgive
from .farm import Farm
from .jobs import reconsider
from .models import Job


def ticked(farm: Farm, event: e.Tick) -> list[e.Decision]:
    decisions: list[e.Decision] = []
    sampled = sample_usage(farm)
    if sampled:
        farm.ranking.lead = _lead(farm)
    for job in list(farm.jobs.values()):
        if job.state is JobState.WAITING and 0 < job.manifest.start <= event.now:
            decisions += reconsider(farm, job)
        elif job.state is JobState.QUEUED and (sampled or _starves_now(farm, job)):
            farm.rank(job)
    farm.ranking.look_for_starving(farm.jobs, farm.policy)
    if sampled:
        decisions += forgive(farm)
    for slave in farm.hungry.values():
        farm.woken[slave.id] = slave
    return decisions


def sample_usage(farm: Farm) -> bool:
    """Move every job's usage towards the share that it holds now; False if it is not time yet."""
    policy = farm.policy
    passed = policy.usage_sample if farm.sampled is None else farm.now - farm.sampled
    if passed < policy.usage_sample * 0.9:
        return False
    farm.sampled = farm.now
    weight = 1 - exp(-passed / policy.usage_memory)
    for job in farm.jobs.values():
        if job.rendering or job.usage:
            share = job.rendering / len(farm.online) if farm.online else 0.0
            job.usage += (share - job.usage) * weight
            if job.usage < 1e-9:
                job.usage = 0.0
    return True


def _lead(farm: Farm) -> float:
    """How long it takes, as far as is known, until a slave that renders can begin with something else.

    Twice the mean of the longest frames, because frames are uneven.
    """
    known = [job.frame_seconds for job in farm.jobs.values() if job.rendering and job.frame_seconds]
    return min(2 * max(known, default=0.0), farm.policy.starved_after * STARVED_LEAD)


def _starves_now(farm: Farm, job: Job) -> bool:
    """Whether its time has come, and others go before it still."""
    waits = job.entry is not None and job.entry[0] and job in farm.ranking
    return waits and farm.now >= farm.ranking.starves(job, farm.policy)


def due(farm: Farm) -> float | None:
    """When the next Tick is wanted; None while there is nothing that time alone could change."""
    policy = farm.policy
    times: list[float] = []
    if farm.leases or farm.ranking.groups:
        times.append(farm.now + policy.usage_sample)
    if farm.leases and any(not slave.leases for slave in farm.hungry.values()):
        # Somebody is idle while others render: is anyone late?
        known = [job.frame_seconds for lease in farm.leases.values() if (job := farm.jobs[lease.job]).frame_seconds]
        times.append(farm.now + min(max(min(known, default=policy.usage_sample) / 4, TAIL_CHECK), policy.usage_sample))
    times += [
        max(job.manifest.start, farm.now)
        for job in farm.jobs.values()
        if job.state is JobState.WAITING and job.manifest.start > farm.now
    ]
    if farm.ranking.soonest < inf:
        times.append(max(farm.ranking.soonest, farm.now))
    farm.ranking.planned = min(times, default=inf)
    return min(times, default=None)
