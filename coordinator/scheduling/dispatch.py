"""Which work goes to whom, and how much of it at once."""

from math import ceil

from ..constants import CHUNK_TARGET
from ..protocol.states import FrameState
from .events import Decision, FrameMoved, Granted, JobMoved
from .farm import Farm, Job, Lease, Slave, series


def dispatch(farm: Farm, now: float) -> list[Decision]:
    """Give work to every slave that can take some, oldest job first."""
    jobs = sorted((job for job in farm.jobs.values() if job.ready), key=lambda job: job.order)
    if not jobs:
        return []
    slaves = farm.connected()
    decisions: list[Decision] = []
    # Who has nothing at all comes before who would only hold it ready for later.
    for slave in sorted(slaves, key=lambda slave: bool(slave.leases)):
        if any(farm.leases[lease].unstarted for lease in slave.leases):
            continue
        for job in jobs:
            if job.ready and farm.may_render(slave, job) and _worth_it(farm, slave, job, len(slaves)):
                granted = _grant(farm, slave, job, len(slaves), now)
                if granted:
                    decisions += granted
                    break
    return decisions


def _worth_it(farm: Farm, slave: Slave, job: Job, slaves: int) -> bool:
    """A slave that still renders gets its next chunk early, but not the last frames: another may be free sooner."""
    return not slave.leases or job.frames.count(FrameState.QUEUED) >= slaves


def chunk_size(job: Job, slaves: int) -> int:
    """The job's own number, or what renders in the chunk target, shrinking so that all slaves end together."""
    if job.manifest.chunk:
        return job.manifest.chunk
    if not job.frame_seconds:
        return 1
    share = ceil(job.frames.count(FrameState.QUEUED) / (2 * slaves))
    return max(1, min(share, int(CHUNK_TARGET / job.frame_seconds)))


def _grant(farm: Farm, slave: Slave, job: Job, slaves: int, now: float) -> list[Decision]:
    frames = job.frames.take(chunk_size(job, slaves), _better_elsewhere(farm, slave, job))
    if not frames:
        return []
    lease = Lease(id=farm.next_lease, job=job.id, slave=slave.id, frames=set(frames), unstarted=set(frames))
    farm.next_lease += 1
    farm.leases[lease.id] = lease
    slave.leases.append(lease.id)
    slave.scene = job.scene
    job.leases.add(lease.id)
    decisions: list[Decision] = []
    if not job.blender or job.started is None:
        job.blender = "{}.{}".format(*series(slave.blender))
        job.started = job.started or now
        job.reason = f"rendering with Blender {job.blender}"
        decisions.append(JobMoved(job=job.id, state=job.state, reason=job.reason))
    decisions += [
        FrameMoved(
            job=job.id,
            frame=frame,
            state=FrameState.DISPATCHED,
            reason=f"to {slave.name}",
            slave=slave.id,
            lease=lease.id,
            attempts=job.attempts.get(frame, 0),
        )
        for frame in frames
    ]
    decisions.append(Granted(lease=lease.id, slave=slave.id, job=job.id, frames=frames))
    return decisions


def _better_elsewhere(farm: Farm, slave: Slave, job: Job) -> frozenset[int]:
    """Frames that failed on this slave, and that another one, which has not failed them, can try."""
    failed = job.failed_on.get(slave.id)
    if not failed:
        return frozenset()
    others = [job.failed_on.get(o.id, set()) for o in farm.connected() if o is not slave and farm.may_render(o, job)]
    return frozenset(frame for frame in failed if any(frame not in theirs for theirs in others))
