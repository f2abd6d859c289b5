"""``step``: one event in, the decisions that follow out. Raises, having changed nothing, for what cannot be."""

from ..constants import FRAME_ATTEMPTS
from ..errors import ConflictError, NotFoundError, StaleLeaseError
from ..protocol.frames import FrameRange
from ..protocol.states import ENDED, FrameState, JobState
from . import events as e
from .dispatch import dispatch
from .farm import Farm, Job, Lease, Slave
from .frames import FrameTable


def step(farm: Farm, event: e.Event) -> list[e.Decision]:
    """Change the farm, and say what to store and whom to tell.

    Raises NotFoundError, ConflictError or StaleLeaseError; the farm is then as it was before.
    """
    match event:
        case e.JobAnnounced():
            decisions = _announced(farm, event)
        case e.JobRestored():
            decisions = _restored(farm, event)
        case e.BlobsArrived():
            decisions = _blobs_arrived(farm, event)
        case e.JobCommanded():
            decisions = _commanded(farm, event)
        case e.SlaveJoined():
            decisions = _joined(farm, event)
        case e.SlaveLeft():
            decisions = _left(farm, event)
        case e.GraceEnded():
            decisions = _grace_ended(farm, event)
        case e.FrameStarted():
            decisions = _started(farm, event)
        case e.FrameDone():
            decisions = _done(farm, event)
        case e.FrameFailed():
            decisions = _failed(farm, event)
    return decisions + dispatch(farm, event.now)


# --- jobs -------------------------------------------------------------------------------------------------------------


def _announced(farm: Farm, event: e.JobAnnounced) -> list[e.Decision]:
    manifest = event.manifest
    if manifest.id in farm.jobs:
        return []
    farm.jobs[manifest.id] = job = Job(
        manifest=manifest,
        id=manifest.id,
        order=farm.next_order,
        created=event.now,
        frames=FrameTable(FrameRange.parse(manifest.frames)),
        state=JobState.WAITING,
        reason=_waiting_reason(len(event.missing)),
    )
    if job.wait_for(event.missing):
        job.state = JobState.QUEUED
    farm.next_order += 1
    return [_moved(job)]


def _restored(farm: Farm, event: e.JobRestored) -> list[e.Decision]:
    """As it was when it was archived, but for its place among the jobs."""
    info = event.job
    if info.id in farm.jobs:
        return []
    job = farm.jobs[info.id] = Job(
        manifest=event.manifest,
        id=info.id,
        order=farm.next_order,
        created=info.created,
        frames=FrameTable(FrameRange.parse(event.manifest.frames)),
        state=info.state,
        reason=info.reason,
        blender=info.blender,
        started=info.started,
        finished=info.finished,
        done_by=dict(info.slaves),
    )
    farm.next_order += 1
    ended = [frame for frame in event.frames if frame.state in (FrameState.DONE, FrameState.ERROR)]
    job.frames.restore({frame.frame: frame.state for frame in ended})
    frames = [
        e.FrameMoved(
            job=job.id,
            frame=frame.frame,
            state=frame.state,
            reason=frame.error,
            attempts=frame.attempts,
            seconds=frame.seconds,
            sha256=frame.sha256,
            size=frame.size,
        )
        for frame in ended
    ]
    return [_moved(job), *frames]


def _waiting_reason(missing: int) -> str:
    return f"waits for {missing} file{'s' * (missing != 1)}" if missing else "waits for a slave"


def _blobs_arrived(farm: Farm, event: e.BlobsArrived) -> list[e.Decision]:
    decisions: list[e.Decision] = []
    for job in farm.jobs.values():
        concerned = not job.missing.isdisjoint(event.blobs)
        if concerned and job.arrived(event.blobs) and job.state is JobState.WAITING:
            job.move(JobState.QUEUED, _waiting_reason(len(job.missing)))
            decisions.append(_moved(job))
    return decisions


def _commanded(farm: Farm, event: e.JobCommanded) -> list[e.Decision]:
    job = find_job(farm, event.job)
    match event.command:
        case "cancel":
            if job.state in ENDED:
                raise ConflictError(f"job {job.id} is {job.state} already")
            decisions = _revoke_all(farm, job, "the job was cancelled")
            job.move(JobState.CANCELLED, "cancelled")
            job.finished = event.now
        case "pause":
            if job.state not in (JobState.QUEUED, JobState.WAITING):
                raise ConflictError(f"job {job.id} is {job.state}: only a job that is not over can be paused")
            decisions = []
            job.move(JobState.PAUSED, "paused; frames that render now will end")
        case "resume":
            if job.state is not JobState.PAUSED:
                raise ConflictError(f"job {job.id} is {job.state}, not paused")
            decisions = []
            job.move(JobState.QUEUED if job.can_begin else JobState.WAITING, _waiting_reason(len(job.missing)))
        case "reset":
            decisions = _reset(job, event)
        case other:
            raise NotFoundError(f"no command {other!r}: there are cancel, pause, resume and reset")
    return [*decisions, _moved(job)]


def _reset(job: Job, event: e.JobCommanded) -> list[e.Decision]:
    errors = job.frames.in_state(FrameState.ERROR)
    if not errors and job.state is not JobState.CANCELLED:
        raise ConflictError(f"job {job.id} is {job.state} and has no frames with errors: nothing to reset")
    for frame in errors:
        job.frames.move(frame, FrameState.QUEUED, "reset")
        job.attempts.pop(frame, None)
    job.failed_on.clear()
    if not job.frames.count(FrameState.DONE) and not job.leases:
        job.blender = ""  # nothing to look alike with: any slave may have it
    if job.state in ENDED:
        begins = job.wait_for(event.missing)
        job.move(JobState.QUEUED if begins else JobState.WAITING, _waiting_reason(len(job.missing)))
        job.finished = None
    return [_frame(job, frame, "reset by a person") for frame in errors]


def _finish_if_over(job: Job, now: float) -> list[e.Decision]:
    if job.state in ENDED or job.frames.count(FrameState.QUEUED) or job.frames.count(FrameState.DISPATCHED):
        return []
    errors = job.frames.count(FrameState.ERROR)
    total = len(job.frames.range)
    job.move(JobState.FINISHED, f"{errors} of {total} frames failed" if errors else "all frames are done")
    job.finished = now
    return [_moved(job)]


# --- slaves -----------------------------------------------------------------------------------------------------------


def _joined(farm: Farm, event: e.SlaveJoined) -> list[e.Decision]:
    slave = farm.slaves.get(event.slave)
    if slave is None:
        slave = farm.slaves[event.slave] = Slave(
            id=event.slave, name=event.name, host=event.host, blender=event.blender, threads=event.threads
        )
    slave.name, slave.host, slave.blender, slave.threads = (
        event.name,
        event.host,
        event.blender,
        event.threads,
    )
    slave.features = frozenset(event.features)
    slave.connected, slave.last_seen, slave.job, slave.frame = True, event.now, "", None
    decisions: list[e.Decision] = [e.SlaveMoved(slave=slave.id, connected=True, persist=True)]
    for lease in [farm.leases[number] for number in slave.leases]:
        if lease.id not in event.holding:
            decisions += _revoke(farm, lease, f"{slave.name} came back without it")
    decisions += [
        e.Revoked(lease=number, slave=slave.id, reason="the lease is not valid any more")
        for number in event.holding
        if number not in slave.leases
    ]
    return decisions


def _left(farm: Farm, event: e.SlaveLeft) -> list[e.Decision]:
    slave = farm.slaves[event.slave]
    slave.connected, slave.last_seen, slave.job, slave.frame = False, event.now, "", None
    decisions: list[e.Decision] = [e.SlaveMoved(slave=slave.id, connected=False, persist=True)]
    for lease in [farm.leases[number] for number in slave.leases]:
        decisions += _revoke(farm, lease, f"{slave.name} was lost: {event.reason}")
    return decisions


def _grace_ended(farm: Farm, event: e.GraceEnded) -> list[e.Decision]:
    decisions: list[e.Decision] = []
    for slave in farm.slaves.values():
        if not slave.connected:
            for lease in [farm.leases[number] for number in slave.leases]:
                decisions += _revoke(farm, lease, f"{slave.name} did not come back")
    return decisions


def _revoke_all(farm: Farm, job: Job, reason: str) -> list[e.Decision]:
    return [d for number in sorted(job.leases) for d in _revoke(farm, farm.leases[number], reason)]


def _revoke(farm: Farm, lease: Lease, reason: str) -> list[e.Decision]:
    job = farm.jobs[lease.job]
    decisions: list[e.Decision] = [e.Revoked(lease=lease.id, slave=lease.slave, reason=reason)]
    for frame in sorted(lease.frames):
        job.frames.move(frame, FrameState.QUEUED, reason)
        decisions.append(_frame(job, frame, reason))
    _forget(farm, lease)
    return decisions


def _forget(farm: Farm, lease: Lease) -> None:
    del farm.leases[lease.id]
    farm.slaves[lease.slave].leases.remove(lease.id)
    farm.jobs[lease.job].leases.discard(lease.id)


# --- frames -----------------------------------------------------------------------------------------------------------


def check_lease(farm: Farm, slave: str, number: int, frame: int, job: str | None = None) -> Lease:
    """The lease under which this slave has this frame of this job.

    Raises StaleLeaseError if it has it no more, or never had it.
    """
    lease = farm.leases.get(number)
    if lease is None or lease.slave != slave or frame not in lease.frames or job not in (None, lease.job):
        raise StaleLeaseError(f"lease {number} of slave {slave[:8]} does not hold frame {frame}; drop what came of it")
    return lease


def find_job(farm: Farm, job: str) -> Job:
    try:
        return farm.jobs[job]
    except KeyError:
        raise NotFoundError(f"no job {job}; `netrender jobs` lists them") from None


def _started(farm: Farm, event: e.FrameStarted) -> list[e.Decision]:
    lease = check_lease(farm, event.slave, event.lease, event.frame)
    lease.unstarted.discard(event.frame)
    slave = farm.slaves[event.slave]
    slave.job, slave.frame = lease.job, event.frame
    return [e.FrameBegun(job=lease.job, frame=event.frame, slave=slave.id)]


def _done(farm: Farm, event: e.FrameDone) -> list[e.Decision]:
    lease = check_lease(farm, event.slave, event.lease, event.frame, event.job)
    job, slave = farm.jobs[lease.job], farm.slaves[lease.slave]
    job.frames.move(event.frame, FrameState.DONE, "rendered")
    job.measured(event.seconds)
    job.done_by[slave.name] = job.done_by.get(slave.name, 0) + 1
    moved = e.FrameMoved(
        job=job.id,
        frame=event.frame,
        state=FrameState.DONE,
        reason=f"rendered by {slave.name}",
        slave=slave.id,
        lease=lease.id,
        attempts=job.attempts.get(event.frame, 0),
        seconds=event.seconds,
        sha256=event.sha256,
        size=event.size,
    )
    return [moved, *_frame_left(farm, lease, slave, event.frame, event.now)]


def _failed(farm: Farm, event: e.FrameFailed) -> list[e.Decision]:
    lease = check_lease(farm, event.slave, event.lease, event.frame)
    job, slave = farm.jobs[lease.job], farm.slaves[lease.slave]
    attempts = job.attempts[event.frame] = job.attempts.get(event.frame, 0) + 1
    job.failed_on.setdefault(slave.id, set()).add(event.frame)
    state = FrameState.ERROR if attempts >= FRAME_ATTEMPTS else FrameState.QUEUED
    job.frames.move(event.frame, state, event.message)
    moved = e.FrameMoved(
        job=job.id, frame=event.frame, state=state, reason=event.message, slave=slave.id, attempts=attempts
    )
    return [moved, *_frame_left(farm, lease, slave, event.frame, event.now)]


def _frame_left(farm: Farm, lease: Lease, slave: Slave, frame: int, now: float) -> list[e.Decision]:
    """The frame is off the lease; with its last frame the lease ends, and maybe the job."""
    lease.drop(frame)
    if (slave.job, slave.frame) == (lease.job, frame):
        slave.job, slave.frame = "", None
    if not lease.frames:
        _forget(farm, lease)
    return _finish_if_over(farm.jobs[lease.job], now)


def _frame(job: Job, frame: int, reason: str) -> e.FrameMoved:
    return e.FrameMoved(
        job=job.id,
        frame=frame,
        state=job.frames.state(frame),
        reason=reason,
        attempts=job.attempts.get(frame, 0),
    )


def _moved(job: Job) -> e.JobMoved:
    return e.JobMoved(job=job.id, state=job.state, reason=job.reason)
