"""What happens because time passes: usage is sampled, waiting jobs begin, failures are forgiven."""

from math import exp

from ..constants import TAIL_CHECK
from ..protocol.states import JobState
from . import events as e
from .failures import forgive
from .farm import Farm
from .jobs import reconsider


def ticked(farm: Farm, event: e.Tick) -> list[e.Decision]:
    decisions: list[e.Decision] = []
    sampled = sample_usage(farm)
    for job in list(farm.jobs.values()):
        if job.state is JobState.WAITING and 0 < job.manifest.start <= event.now:
            decisions += reconsider(farm, job)
        elif sampled and job.state is JobState.QUEUED:
            farm.rank(job)
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
    return min(times, default=None)
