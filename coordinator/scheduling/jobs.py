"""What people say about jobs: announced, commanded, changed; and when a job may begin, and is over."""

from ..errors import ConflictError, NotFoundError
from ..protocol.frames import FrameRange
from ..protocol.states import ENDED, FrameState, JobState
from . import events as e
from .farm import Farm
from .frames import FrameTable
from .leases import find_job, frame_moved, job_moved, revoke_all
from .models import Job


def announced(farm: Farm, event: e.JobAnnounced) -> list[e.Decision]:
    manifest = event.manifest
    if manifest.id in farm.jobs:
        return []
    for other in manifest.after:
        if other not in farm.jobs:
            raise NotFoundError(f"after: no job {other}; `netrender jobs` lists those that there are")
    job = Job(
        manifest=manifest,
        id=manifest.id,
        order=farm.next_order,
        created=event.now,
        frames=FrameTable(FrameRange.parse(manifest.frames), manifest.order),
        state=JobState.WAITING,
        reason="",
        priority=manifest.priority,
        max_slaves=manifest.max_slaves,
    )
    job.wait_for(event.missing)
    if manifest.paused:
        job.move(JobState.PAUSED, "announced as paused; begin it with: netrender resume")
    else:
        _let_go(farm, job)
    farm.add(job)
    return [job_moved(job)]


def held_back(farm: Farm, job: Job) -> str:
    """What must come before the job may begin, and what to do about it; empty if nothing."""
    if not job.can_begin:
        return f"waits for {len(job.missing)} file{'s' * (len(job.missing) != 1)}"
    for number in job.manifest.after:
        other = farm.jobs.get(number)
        if other is None:
            return f"waits for job {number}, which is gone: cancel this one"
        if other.state is JobState.CANCELLED:
            return f"waits for job {number}, which was cancelled: reset that one, or cancel this one"
        if other.state is JobState.FINISHED and other.frames.count(FrameState.DONE) < len(other.frames.range):
            return f"waits for job {number}, which ended with errors: reset that one, or cancel this one"
        if other.state is not JobState.FINISHED:
            return f"waits for job {number} ({other.manifest.name}) to end"
    if job.manifest.start > farm.now:
        return "waits for its start time"
    return ""


def _let_go(farm: Farm, job: Job) -> None:
    """From any state to that in which it waits, for what must come first or for a slave."""
    reason = held_back(farm, job)
    state = JobState.WAITING if reason else JobState.QUEUED
    reason = reason or "waits for a slave"
    if job.state is state:
        job.reason = reason
    else:
        job.move(state, reason)


def reconsider(farm: Farm, job: Job) -> list[e.Decision]:
    """Something that a waiting job may wait for has changed."""
    if job.state is not JobState.WAITING:
        return []
    before = job.reason
    _let_go(farm, job)
    farm.rank(job)
    return [job_moved(job)] if job.reason != before else []


def blobs_arrived(farm: Farm, event: e.BlobsArrived) -> list[e.Decision]:
    decisions: list[e.Decision] = []
    for number in sorted({job for sha256 in event.blobs for job in farm.awaiting.pop(sha256, ())}):
        job = farm.jobs[number]
        if job.arrived(event.blobs):
            decisions += reconsider(farm, job)
            farm.rank(job)
        elif job.state is JobState.WAITING:
            job.reason = held_back(farm, job)  # the count on its way down is not worth an event a file
    return decisions


def restored(farm: Farm, event: e.JobRestored) -> list[e.Decision]:
    """As it was when it was archived, but for its place among the jobs."""
    info = event.job
    if info.id in farm.jobs:
        return []
    job = Job(
        manifest=event.manifest,
        id=info.id,
        order=farm.next_order,
        created=info.created,
        frames=FrameTable(FrameRange.parse(event.manifest.frames), event.manifest.order),
        state=info.state,
        reason=info.reason,
        priority=info.priority,
        max_slaves=info.max_slaves,
        blender=info.blender,
        started=info.started,
        finished=info.finished,
        done_by=dict(info.slaves),
    )
    job.frames.restore({frame.frame: frame.state for frame in event.frames})
    job.attempts = {frame.frame: frame.attempts for frame in event.frames if frame.attempts}
    job.dispatched = len(event.frames)
    farm.add(job)
    frames: list[e.Decision] = [
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
        for frame in event.frames
    ]
    return [*frames, job_moved(job)]  # whoever counts along begins with the last word


def commanded(farm: Farm, event: e.JobCommanded) -> list[e.Decision]:
    job = find_job(farm, event.job)
    decisions: list[e.Decision] = []
    match event.command:
        case "cancel":
            if job.state in ENDED:
                raise ConflictError(f"job {job.id} is {job.state} already")
            decisions = revoke_all(farm, job, "the job was cancelled")
            job.move(JobState.CANCELLED, "cancelled")
            job.finished = event.now
        case "pause":
            if job.state not in (JobState.QUEUED, JobState.WAITING):
                raise ConflictError(f"job {job.id} is {job.state}: only a job that is not over can be paused")
            job.move(JobState.PAUSED, "paused; frames that render now will end")
        case "resume":
            if job.state is not JobState.PAUSED:
                raise ConflictError(f"job {job.id} is {job.state}, not paused")
            _let_go(farm, job)
        case "reset":
            decisions = _reset(farm, job, event)
        case other:
            raise NotFoundError(f"no command {other!r}: there are cancel, pause, resume and reset")
    farm.rank(job)
    return [*decisions, job_moved(job), *_tell_dependents(farm, job)]


def _reset(farm: Farm, job: Job, event: e.JobCommanded) -> list[e.Decision]:
    errors = job.frames.in_state(FrameState.ERROR)
    undone = job.ended and job.frames.queued > 0  # cancelled, or given up
    if not errors and not undone:
        raise ConflictError(f"job {job.id} is {job.state} and has no frames with errors: nothing to reset")
    for frame in errors:
        job.frames.move(frame, FrameState.QUEUED, "reset")
        job.attempts.pop(frame, None)
    _bar_who_failed(farm, job)
    if not job.frames.count(FrameState.DONE) and not job.leases:
        job.pin("")  # nothing to look alike with: any slave may have it
        job.dispatched = 0
    if job.ended:
        job.wait_for(event.missing)
        farm.await_blobs(job)
        job.finished = None
        _let_go(farm, job)
    return [frame_moved(job, frame, "reset by a person") for frame in errors]


def _bar_who_failed(farm: Farm, job: Job) -> None:
    """Others shall try, if there are any."""
    failed = set(job.failed_on) | set(job.barred)
    for known in (job.failed_on, job.failures, job.barred, job.unable, job.asides, job.excused):
        known.clear()
    if any(slave.id not in failed and farm.would_render(slave, job) for slave in farm.connected()):
        job.barred = dict.fromkeys(failed, farm.now)


def changed(farm: Farm, event: e.JobChanged) -> list[e.Decision]:
    job = find_job(farm, event.job)
    if event.changes.priority is not None:
        job.priority = event.changes.priority
    if event.changes.max_slaves is not None:
        job.max_slaves = event.changes.max_slaves
    farm.rank(job)
    return [job_moved(job)]


def finish_if_over(farm: Farm, job: Job) -> list[e.Decision]:
    if job.ended or job.frames.queued or job.frames.count(FrameState.DISPATCHED):
        return []
    errors = job.frames.count(FrameState.ERROR)
    total = len(job.frames.range)
    return finish(farm, job, f"{errors} of {total} frames failed" if errors else "all frames are done")


def finish(farm: Farm, job: Job, reason: str) -> list[e.Decision]:
    job.move(JobState.FINISHED, reason)
    job.finished = farm.now
    job.seconds_on.clear()
    farm.rank(job)
    return [job_moved(job), *_tell_dependents(farm, job)]


def _tell_dependents(farm: Farm, job: Job) -> list[e.Decision]:
    decisions: list[e.Decision] = []
    for number in sorted(farm.dependents.get(job.id, ())):
        decisions += reconsider(farm, farm.jobs[number])
    return decisions
