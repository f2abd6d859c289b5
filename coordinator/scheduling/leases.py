"""Leases: granted, shortened, ended; and what that means for their frames."""

from collections.abc import Iterable

from ..errors import NotFoundError, StaleLeaseError
from ..protocol.limits import MAX_STALL
from ..protocol.states import FrameState
from . import events as e
from .farm import Farm
from .models import Job, Lease, Slave
from .needs import series


def find_job(farm: Farm, job: str) -> Job:
    try:
        return farm.jobs[job]
    except KeyError:
        raise NotFoundError(f"no job {job}; `netrender jobs` lists them") from None


def find_slave(farm: Farm, slave: str) -> Slave:
    try:
        return farm.slaves[slave]
    except KeyError:
        raise NotFoundError(f"no slave {slave}; `netrender slaves` lists them") from None


def check_lease(farm: Farm, slave: str, number: int, frame: int, job: str | None = None) -> Lease:
    """The lease under which this slave has this frame of this job.

    Raises StaleLeaseError if it has it no more, or never had it.
    """
    lease = farm.leases.get(number)
    if lease is None or lease.slave != slave or frame not in lease.frames or job not in (None, lease.job):
        raise StaleLeaseError(f"lease {number} of slave {slave[:8]} does not hold frame {frame}; drop what came of it")
    return lease


def job_moved(job: Job) -> e.JobMoved:
    return e.JobMoved(job=job.id, state=job.state, reason=job.reason)


def grant(farm: Farm, slave: Slave, job: Job, frames: tuple[int, ...]) -> list[e.Decision]:
    """Give frames that were just taken out of the queue to a slave."""
    decisions = _begin(farm, slave, job)
    lease = _lease(farm, slave, job, frames)
    decisions += [
        e.FrameMoved(
            job=job.id,
            frame=frame,
            state=FrameState.DISPATCHED,
            reason=f"to {slave.name}",
            slave=slave.id,
            lease=lease,
            attempts=job.attempts.get(frame, 0),
        )
        for frame in frames
    ]
    decisions.append(_granted(farm, slave, job, lease, frames))
    return decisions


def grant_again(farm: Farm, slave: Slave, job: Job, frame: int, holder: Lease) -> list[e.Decision]:
    """Give a frame that another slave renders to this one too; the first result wins."""
    lease = _lease(farm, slave, job, (frame,))
    job.twice[frame] = [holder.id, lease]
    return [_granted(farm, slave, job, lease, (frame,))]


def _begin(farm: Farm, slave: Slave, job: Job) -> list[e.Decision]:
    if not job.blender or job.started is None:
        job.pin("{}.{}".format(*series(slave.blender)))
        job.started = job.started or farm.now
    reason = f"rendering with Blender {job.blender}"
    if job.reason == reason:
        return []
    job.reason = reason  # also after it has waited, for slaves that were away or set aside
    return [job_moved(job)]


def _lease(farm: Farm, slave: Slave, job: Job, frames: tuple[int, ...]) -> int:
    number = farm.next_lease
    farm.next_lease += 1
    hold(
        farm,
        Lease(
            id=number,
            job=job.id,
            slave=slave.id,
            frames=set(frames),
            unstarted=set(frames),
            given=frames,
            granted=farm.now,
            first=farm.ranking.goes_first(job, farm.policy, farm.now),
            before=job.last_dispatch,
        ),
    )
    job.dispatched += len(frames)
    job.last_dispatch = farm.now
    farm.rank(job)
    farm.look_after(slave)
    return number


def hold(farm: Farm, lease: Lease) -> None:
    """Enter a lease, new or loaded."""
    slave, job = farm.slaves[lease.slave], farm.jobs[lease.job]
    farm.leases[lease.id] = lease
    slave.leases.append(lease.id)
    job.leases.add(lease.id)
    job.users[slave.id] = job.users.get(slave.id, 0) + 1
    farm.recount(slave)


def _granted(farm: Farm, slave: Slave, job: Job, lease: int, frames: tuple[int, ...]) -> e.Granted:
    return e.Granted(lease=lease, slave=slave.id, job=job.id, frames=frames, stall=stall(farm, job, slave))


def stall(farm: Farm, job: Job, slave: Slave) -> float:
    """Seconds of silence after which this slave's renderer hangs."""
    if job.manifest.stall:
        return job.manifest.stall
    expected = job.expected(slave.id)
    if expected is None:
        return min(farm.policy.stall_blind, MAX_STALL)
    return min(max(farm.policy.stall_least, farm.policy.stall_factor * expected), MAX_STALL)


def settle(farm: Farm, lease: Lease, frame: int) -> list[e.Decision]:
    """The frame is over: it leaves every lease that has it. Slaves that render it in vain are told."""
    job = farm.jobs[lease.job]
    decisions: list[e.Decision] = []
    for number in job.twice.pop(frame, [lease.id]):
        held = farm.leases[number]
        if held is not lease:
            reason = f"{farm.slaves[lease.slave].name} was first with frame {frame}"
            decisions.append(e.Revoked(lease=held.id, slave=held.slave, reason=reason, frames=(frame,)))
        drop(farm, held, frame)
    return decisions


def drop(farm: Farm, lease: Lease, frame: int) -> None:
    """The frame is off the lease; with its last frame the lease ends."""
    slave = farm.slaves[lease.slave]
    lease.drop(frame)
    if (slave.job, slave.frame) == (lease.job, frame):
        slave.job, slave.frame = "", None
    if not lease.frames:
        _forget(farm, lease)
    farm.look_after(slave)


def _forget(farm: Farm, lease: Lease) -> None:
    slave, job = farm.slaves[lease.slave], farm.jobs[lease.job]
    del farm.leases[lease.id]
    slave.leases.remove(lease.id)
    job.leases.discard(lease.id)
    job.users[slave.id] -= 1
    if not job.users[slave.id]:
        del job.users[slave.id]
        if not job.users:
            job.released = farm.now
    farm.recount(slave)


def revoke(farm: Farm, lease: Lease, reason: str) -> list[e.Decision]:
    """Take all of a lease's frames back."""
    decisions: list[e.Decision] = [e.Revoked(lease=lease.id, slave=lease.slave, reason=reason)]
    return decisions + take_back(farm, lease, sorted(lease.frames), reason)


def recall(farm: Farm, lease: Lease, frames: Iterable[int], reason: str) -> list[e.Decision]:
    """Take some of its frames back, which the slave has not begun."""
    some = tuple(frames)
    decisions: list[e.Decision] = [e.Revoked(lease=lease.id, slave=lease.slave, reason=reason, frames=some)]
    return decisions + take_back(farm, lease, some, reason)


def revoke_all(farm: Farm, job: Job, reason: str) -> list[e.Decision]:
    return [d for number in sorted(job.leases) for d in revoke(farm, farm.leases[number], reason)]


def take_back(farm: Farm, lease: Lease, frames: Iterable[int], reason: str) -> list[e.Decision]:
    """Without a word to the slave."""
    job = farm.jobs[lease.job]
    decisions: list[e.Decision] = []
    for frame in frames:
        decisions.append(give_up(farm, lease, frame, reason))
        drop(farm, lease, frame)
    farm.rank(job)
    return decisions


def give_up(farm: Farm, lease: Lease, frame: int, reason: str) -> e.FrameMoved:
    """This lease will not bring the frame: it is queued again, unless another lease has it too."""
    job = farm.jobs[lease.job]
    other = [number for number in job.twice.pop(frame, []) if number != lease.id]
    if not other:
        job.frames.move(frame, FrameState.QUEUED, reason)
        return frame_moved(job, frame, reason)
    held = farm.leases[other[0]]
    return e.FrameMoved(
        job=job.id,
        frame=frame,
        state=FrameState.DISPATCHED,
        reason=reason,
        slave=held.slave,
        lease=held.id,
        attempts=job.attempts.get(frame, 0),
    )


def frame_moved(job: Job, frame: int, reason: str) -> e.FrameMoved:
    return e.FrameMoved(
        job=job.id, frame=frame, state=job.frames.state(frame), reason=reason, attempts=job.attempts.get(frame, 0)
    )
