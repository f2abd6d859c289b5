"""The error policy: who tries a failed frame next, when it is given up, who gets no more, and forgiveness."""

from ..protocol.states import Fault, FrameState, JobState
from . import events as e
from . import faults
from .farm import Farm
from .jobs import finish, finish_if_over
from .leases import check_lease, drop, give_up
from .models import Job, Lease, Slave


def failed(farm: Farm, event: e.FrameFailed) -> list[e.Decision]:
    lease = check_lease(farm, event.slave, event.lease, event.frame)
    job, slave, frame = farm.jobs[lease.job], farm.slaves[lease.slave], event.frame
    if event.fault is not Fault.FRAME:
        return faults.not_here(farm, lease, frame, event.message) + finish_if_over(farm, job)
    attempts = job.attempts[frame] = job.attempts.get(frame, 0) + 1
    job.failed_on.setdefault(slave.id, set()).add(frame)
    decisions = _count(farm, job, slave, event.message) if _is_news(lease, frame) else []
    if frame not in job.twice and _is_given_up(farm, job, frame, attempts):
        job.frames.move(frame, FrameState.ERROR, event.message)
        state = FrameState.ERROR
    else:
        kept = give_up(farm, lease, frame, event.message)  # moves it
        state = kept.state
        if state is FrameState.DISPATCHED:
            decisions.append(kept)
    if state is not FrameState.DISPATCHED:
        decisions.insert(
            0,
            e.FrameMoved(job=job.id, frame=frame, state=state, reason=event.message, slave=slave.id, attempts=attempts),
        )
    drop(farm, lease, frame)
    farm.rank(job)
    return decisions + finish_if_over(farm, job)


def _is_news(lease: Lease, frame: int) -> bool:
    """Frames of a lease that fail before they begin share one cause: a file, or the scene, which did not open."""
    if frame not in lease.unstarted:
        return True
    before, lease.unopened = lease.unopened, True
    return not before


def _count(farm: Farm, job: Job, slave: Slave, message: str) -> list[e.Decision]:
    """Against the slave: in this job, and over all jobs."""
    count = job.failures[slave.id] = job.failures.get(slave.id, 0) + 1
    if count >= farm.policy.slave_failures:
        job.bar(slave.id, farm.now)
    slave.failed_jobs[job.id] = message
    if slave.sick_since is None and len(slave.failed_jobs) >= farm.policy.sick_jobs:
        slave.sick_since = farm.now
        farm.look_after(slave)
        return [e.SlaveMoved(slave=slave.id, connected=slave.connected)]
    return []


def sickness(slave: Slave) -> str:
    """Why it gets nothing, and what to do; empty if it is well."""
    if slave.sick_since is None:
        return ""
    last = next(reversed(slave.failed_jobs.values()), "")
    return (
        f"it failed in {len(slave.failed_jobs)} jobs and succeeded in none, last with: {last.partition(chr(10))[0]}; "
        f"see to it, then: netrender heal {slave.name}"
    )


def _is_given_up(farm: Farm, job: Job, frame: int, attempts: int) -> bool:
    """Failed on as many slaves as it takes, or as often, if nobody is left who has not tried it."""
    most = job.manifest.attempts or farm.policy.frame_attempts
    tried = {slave for slave, frames in job.failed_on.items() if frame in frames}
    if len(tried) >= most:
        return True
    return attempts >= most and not any(s.id not in tried and farm.would_render(s, job) for s in farm.connected())


def better_elsewhere(farm: Farm, slave: Slave, job: Job) -> frozenset[int]:
    """Frames that failed on this slave, and that another one, which has not failed them, can try."""
    mine = job.failed_on.get(slave.id)
    if not mine:
        return frozenset()
    empty: set[int] = set()
    others = [job.failed_on.get(o.id, empty) for o in farm.connected() if o is not slave and farm.would_render(o, job)]
    return frozenset(frame for frame in mine if any(frame not in theirs for theirs in others))


def end_the_hopeless(farm: Farm, job: Job) -> list[e.Decision]:
    """A job ends when every slave that could render it has failed too often: it never waits for nobody.

    But one that has not, and was lost a moment ago, may only be starting again.
    """
    if job.state is not JobState.QUEUED or job.leases or not job.barred:
        return []
    able = [slave for slave in farm.connected() if farm.may_render(slave, job)]
    if not able or any(slave.id not in job.barred for slave in able):
        return []
    if awaited(farm, job) is not None:
        return []
    why = (
        "none of the slaves that are here can render it"
        if faults.all_unable(job, able)
        else ("it failed too often on every slave that could render it")
    )
    names = "; ".join(
        f"{slave.name} ({job.unable.get(slave.id) or f'{job.failures.get(slave.id, 0)} times'})" for slave in able[:5]
    )
    errors = job.frames.count(FrameState.ERROR)
    reason = (
        f"given up, as {why}: {names}; {errors} frames failed, "
        f"{job.frames.queued} were not rendered. See what the logs say, then: netrender reset {job.id}"
    )
    return finish(farm, job, reason)


def awaited(farm: Farm, job: Job) -> Slave | None:
    """A slave that was lost a while ago and has not failed the job."""
    since = farm.now - farm.policy.comeback
    for slave in farm.slaves.values():
        away = not slave.connected and slave.last_seen > since
        if away and slave.sick_since is None and slave.id not in job.barred and farm.may_render(slave, job):
            return slave
    return None


def forget(farm: Farm, slave: Slave) -> None:
    """As if it had never failed."""
    slave.failed_jobs.clear()
    slave.sick_since = None
    slave.aside = ""  # it says so again if that is still true
    for job in farm.jobs.values():
        job.forgive(slave.id)
    farm.ranking.news = True
    farm.look_after(slave)


def forgive(farm: Farm) -> list[e.Decision]:
    """What is long ago may be over: who was barred or sick may try again."""
    before = farm.now - farm.policy.forgive_after
    decisions: list[e.Decision] = []
    for slave in farm.slaves.values():
        if slave.sick_since is not None and slave.sick_since <= before:
            slave.failed_jobs.clear()
            slave.sick_since = None
            farm.look_after(slave)
            decisions.append(e.SlaveMoved(slave=slave.id, connected=slave.connected))
    for job in farm.jobs.values():
        if job.barred and not job.ended:
            for name in [slave for slave, since in job.barred.items() if since <= before]:
                job.forgive(name)
                farm.ranking.news = True
    return decisions
