"""A job that goes first, new or starved, does not wait behind chunks that others have not begun."""

from .events import Decision
from .farm import Farm
from .leases import recall
from .models import Job, Lease, Slave

CANDIDATES = 64  # slaves that are looked at for the one that is free soonest; more is no better and costs


def make_room(farm: Farm) -> list[Decision]:
    """For each job that goes first and found no slave: take back what one has not begun, so that it comes next there.

    For one that has waited long this is done once, when its time comes: from then on who is free asks it first.
    """
    decisions: list[Decision] = []
    starving = farm.ranking.starving
    for group in list(farm.ranking.groups.values()):
        for not_first, _, _, number in list(group.entries):
            job = farm.jobs[number]
            if not_first or (job.dispatched >= farm.policy.first_frames and not starving):
                break
            slave = None if _is_expected(farm, job) else _soonest(farm, job)
            if slave is None:
                break
            for lease in [farm.leases[number] for number in slave.leases]:
                if _may_be_taken(lease):
                    decisions += _take_back(farm, lease, f"job {job.id} goes first")
    farm.ranking.starving = starving and bool(decisions)  # there may be more of them
    return decisions


def _may_be_taken(lease: Lease) -> bool:
    """Whether it has frames that are not begun, and not those for which its own job went first."""
    return bool(lease.unstarted) and (_is_begun(lease) or not lease.first)


def _take_back(farm: Farm, lease: Lease, reason: str) -> list[Decision]:
    """All of it that is not begun. If that is the whole, it counts as never given: its job waits as long as it did."""
    job, whole = farm.jobs[lease.job], not _is_begun(lease)
    released = job.released
    decisions = recall(farm, lease, [frame for frame in lease.given if frame in lease.unstarted], reason)
    if whole and job.last_dispatch == lease.granted:
        job.last_dispatch, job.released = lease.before, released
        farm.rank(job)
    return decisions


def _is_begun(lease: Lease) -> bool:
    return len(lease.unstarted) < len(lease.given)


def _is_expected(farm: Farm, job: Job) -> bool:
    """A slave that can take it now has only not been asked."""
    return any(farm.would_render(slave, job) for slave in farm.hungry.values())


def _soonest(farm: Farm, job: Job) -> Slave | None:
    """The slave with frames to take back that ends its current frame first, as far as is known."""
    best: tuple[float, Slave] | None = None
    looked_at = 0
    for slave in farm.online.values():
        begun, waiting = _leases(farm, slave)
        if begun is None or not waiting or not farm.would_render(slave, job):
            continue
        expected = farm.jobs[begun.job].expected(slave.id) or 0.0
        left = max(expected - (farm.now - begun.since), 0.0)
        if best is None or left < best[0]:
            best = left, slave
        looked_at += 1
        if looked_at == CANDIDATES:
            break
    return best[1] if best else None


def _leases(farm: Farm, slave: Slave) -> tuple[Lease | None, bool]:
    """The lease that renders, and whether frames can be taken back: not the first ones of another newcomer."""
    leases = [farm.leases[number] for number in slave.leases]
    begun = next((lease for lease in leases if lease.current is not None), None)
    return begun, any(_may_be_taken(lease) for lease in leases)
