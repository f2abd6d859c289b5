"""``step``: one event in, the decisions that follow out. Raises, having changed nothing, for what cannot be."""

from collections.abc import Callable
from typing import Any

from ..errors import NetrenderError
from ..protocol.states import FrameState
from . import events as e
from . import failures, jobs, slaves, upkeep
from .dispatch import dispatch
from .farm import Farm
from .leases import check_lease, find_job, settle
from .models import RECENT
from .reasons import renew

__all__ = ["check_lease", "find_job", "step"]


def step(farm: Farm, event: e.Event) -> list[e.Decision]:
    """Change the farm, and say what to store and whom to tell.

    Raises NotFoundError, ConflictError or StaleLeaseError; the farm is then as it was before. Anything else that it
    raises is a defect, and may leave the farm half changed: the caller loads it again.
    """
    before, farm.now = farm.now, event.now
    kind = type(event)
    try:
        decisions = _HANDLERS[kind](farm, event)
    except NetrenderError:
        farm.now = before
        raise
    decisions += dispatch(farm)
    if kind in _CHANGES_WHO_CAN or _ends_what_is_told(farm, event, decisions):
        decisions += renew(farm)
    return decisions


def _started(farm: Farm, event: e.FrameStarted) -> list[e.Decision]:
    lease = check_lease(farm, event.slave, event.lease, event.frame)
    job, slave = farm.jobs[lease.job], farm.slaves[event.slave]
    if not slave.holds(job):
        job.open_seconds = max(event.now - lease.granted, 0.0)
        slave.scene = job.scene
    slave.last_job = job.id
    lease.unstarted.discard(event.frame)
    lease.current, lease.since = event.frame, event.now
    slave.job, slave.frame = lease.job, event.frame
    if not lease.unstarted:
        farm.look_after(slave)
    return [e.FrameBegun(job=lease.job, frame=event.frame, slave=slave.id)]


def _done(farm: Farm, event: e.FrameDone) -> list[e.Decision]:
    lease = check_lease(farm, event.slave, event.lease, event.frame, event.job)
    job, slave = farm.jobs[lease.job], farm.slaves[lease.slave]
    job.frames.move(event.frame, FrameState.DONE, "rendered")
    job.measured(event.seconds, slave.id)
    if job.frame_seconds:
        relative = job.seconds_on[slave.id] / job.frame_seconds
        slave.seconds = relative if slave.seconds is None else slave.seconds + (relative - slave.seconds) * RECENT
    job.done_by[slave.name] = job.done_by.get(slave.name, 0) + 1
    slave.failed_jobs.clear()
    job.asides.pop(slave.id, None)
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
    decisions = [moved, *settle(farm, lease, event.frame)]
    farm.rank(job)
    return decisions + jobs.finish_if_over(farm, job)


_HANDLERS: dict[type, Callable[[Farm, Any], list[e.Decision]]] = {
    e.JobAnnounced: jobs.announced,
    e.JobRestored: jobs.restored,
    e.BlobsArrived: jobs.blobs_arrived,
    e.JobCommanded: jobs.commanded,
    e.JobChanged: jobs.changed,
    e.SlaveHealed: slaves.healed,
    e.Tick: upkeep.ticked,
    e.SlaveJoined: slaves.joined,
    e.SlaveLeft: slaves.left,
    e.SlaveAside: slaves.set_aside,
    e.SlaveFit: slaves.fit,
    e.GraceEnded: slaves.grace_ended,
    e.FrameStarted: _started,
    e.FrameDone: _done,
    e.FrameFailed: failures.failed,
}


def _ends_what_is_told(farm: Farm, event: e.Event, decisions: list[e.Decision]) -> bool:
    """A job has all of its files now, or the last result of a slave that is set aside: nobody renders it any more."""
    if isinstance(event, e.BlobsArrived):
        return bool(decisions)
    return isinstance(event, e.FrameDone) and farm.slaves[event.slave].aside != ""


# After these, jobs may have found slaves that can render them, or lost them.
_CHANGES_WHO_CAN = frozenset(_HANDLERS) - {e.FrameStarted, e.FrameDone, e.BlobsArrived}
