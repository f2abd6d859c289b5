"""What is a machine's fault, and not a frame's: no attempt is counted, and who cannot render gets nothing in vain."""

from collections.abc import Iterable

from ..protocol.states import FrameState
from . import events as e
from .farm import Farm
from .leases import drop, give_up, recall
from .models import Job, Lease, Slave

SET_ASIDE = "it looks whether that is over, and goes on by itself"
LISTED = 3  # slaves that are told one by one


def not_here(farm: Farm, lease: Lease, frame: int, message: str) -> list[e.Decision]:
    """This machine cannot render the job, or not this frame of it.

    A slave that has rendered others of its frames keeps the job: this frame goes to a slave that has not tried it.
    """
    job, slave = farm.jobs[lease.job], farm.slaves[lease.slave]
    why = _first_line(message)
    begun = frame not in lease.unstarted
    if begun:
        job.excused[frame] = job.excused.get(frame, 0) + 1
    able = begun and slave.id in job.seconds_on
    if able:
        job.failed_on.setdefault(slave.id, set()).add(frame)
        count = job.failures[slave.id] = job.failures.get(slave.id, 0) + 1
        if count >= farm.policy.slave_failures:
            job.bar(slave.id, farm.now, f"{count} of its frames: {why}")
    else:
        job.bar(slave.id, farm.now, why)
    if able and frame not in job.twice and _is_given_up(farm, job, frame):
        job.frames.move(frame, FrameState.ERROR, message)
        moved = e.FrameMoved(
            job=job.id,
            frame=frame,
            state=FrameState.ERROR,
            reason=message,
            slave=slave.id,
            attempts=job.attempts.get(frame, 0),
        )
    else:
        moved = give_up(farm, lease, frame, f"{slave.name} cannot render it: {why}")
    drop(farm, lease, frame)
    decisions: list[e.Decision] = [moved]
    if slave.id in job.barred:
        decisions += _take_the_rest(farm, job, slave, f"{slave.name} cannot render the job: {why}")
    farm.rank(job)
    farm.ranking.news = True  # who is barred decides who else may try a frame that failed
    return decisions


def _take_the_rest(farm: Farm, job: Job, slave: Slave, reason: str) -> list[e.Decision]:
    """What the slave has not begun of the job. What it has rendered is to be delivered."""
    decisions: list[e.Decision] = []
    for lease in [farm.leases[number] for number in slave.leases]:
        if lease.job == job.id and lease.unstarted:
            frames = [frame for frame in lease.given if frame in lease.unstarted]
            decisions += recall(farm, lease, frames, reason)
    return decisions


def _is_given_up(farm: Farm, job: Job, frame: int) -> bool:
    """Nobody is left who has not tried it, and those who have did so often enough."""
    most = job.manifest.attempts or farm.policy.frame_attempts
    tried = {slave for slave, frames in job.failed_on.items() if frame in frames}
    return job.excused[frame] >= most and not any(
        slave.id not in tried and farm.would_render(slave, job) for slave in farm.connected()
    )


def count_aside(farm: Farm, slave: Slave, number: str, reason: str) -> None:
    """A job with which a slave is set aside again and again, and renders nothing in between, is kept from it."""
    job = farm.jobs.get(number)
    if job is None or job.ended:
        return
    count = job.asides[slave.id] = job.asides.get(slave.id, 0) + 1
    if count >= farm.policy.slave_failures:
        job.bar(slave.id, farm.now, f"it was set aside {count} times with it, the last time: {_first_line(reason)}")


def all_unable(job: Job, slaves: Iterable[Slave]) -> bool:
    return all(slave.id in job.unable for slave in slaves)


def named_aside(slaves: Iterable[Slave]) -> str:
    """Those that are set aside, and why; empty if none is."""
    aside = sorted((slave for slave in slaves if slave.aside), key=lambda slave: slave.name)
    more = f"; and {len(aside) - LISTED} more" if len(aside) > LISTED else ""
    return "; ".join(f"{slave.name}: {_first_line(slave.aside)}" for slave in aside[:LISTED]) + more


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:300]
