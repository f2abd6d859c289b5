"""The end of a job: an idle slave takes over what a slow or silent one will not end soon."""

from attrs import frozen

from ..protocol.states import FrameState
from .events import Decision
from .farm import Farm
from .leases import grant, grant_again, recall
from .models import Job, Lease, Slave

MOST_IN_VAIN = 8  # idle slaves that look for late frames in one step and find none, until no more look
TWICE = 2.0  # times faster than the one that it replaces; so a frame is replaced a few times at most


@frozen
class Help:
    """A frame that the idle slave would end sooner."""

    gain: float  # seconds
    lease: Lease
    frames: tuple[int, ...]
    begun: bool  # the other slave renders it now, and may go on: the first result wins
    instead: Lease | None = None  # a third one that renders it too, and will be last: it stops


def help_out(farm: Farm, slaves: list[Slave]) -> list[Decision]:
    """Give idle slaves, for which nothing is queued, some of what the slowest ones hold."""
    if not farm.leases:
        return []
    decisions: list[Decision] = []
    in_vain = 0
    idle = [slave for slave in slaves if slave.id in farm.hungry and not slave.leases]
    if len(idle) > MOST_IN_VAIN:  # the fastest first: where they find nothing, the others will not
        idle.sort(key=lambda slave: slave.seconds or 0.0)
    for slave in idle:
        farm.due_changed = True
        found = _help_out(farm, slave)
        decisions += found
        in_vain += not found
        if in_vain == MOST_IN_VAIN:
            break
    return decisions


def _help_out(farm: Farm, slave: Slave) -> list[Decision]:
    best: tuple[Help, Job] | None = None
    for job in _running(farm):
        if job.full or not farm.would_render(slave, job):
            continue
        found = _best(farm, slave, job)
        if found is not None and (best is None or found.gain > best[0].gain):
            best = found, job
    if best is None:
        return []
    help, job = best
    if help.begun:
        stopped: list[Decision] = []
        if help.instead is not None:
            stopped = recall(farm, help.instead, help.frames, f"{slave.name} is free and will be sooner")
            # That told the store whose the frame is now, and freed a slave that may help elsewhere.
        return stopped + grant_again(farm, slave, job, help.frames[0], help.lease)
    reason = f"{slave.name} is free and will be sooner"
    decisions = recall(farm, help.lease, help.frames, reason)
    for frame in help.frames:
        job.frames.move(frame, FrameState.DISPATCHED, reason)
    return decisions + grant(farm, slave, job, help.frames)


def _running(farm: Farm) -> list[Job]:
    """Jobs of which frames are dispatched, each once."""
    return [farm.jobs[number] for number in dict.fromkeys(lease.job for lease in farm.leases.values())]


def _best(farm: Farm, slave: Slave, job: Job) -> Help | None:
    best: Help | None = None
    for lease in [farm.leases[number] for number in job.leases]:
        # Who is away after a restart of the coordinator may come back, with results.
        help = _help(farm, slave, job, lease) if lease.slave in farm.online else None
        if help is not None and (best is None or help.gain > best.gain):
            best = help
    return best


def _help(farm: Farm, slave: Slave, job: Job, lease: Lease) -> Help | None:
    failed = job.failed_on.get(slave.id, frozenset[int]())
    waiting = [frame for frame in lease.given if frame in lease.unstarted]
    frame, since = lease.current, lease.since
    if frame is None and waiting and not _renders(farm, lease.slave):
        # What it was given is as good as begun: files come, the scene opens; or it hangs.
        frame, since = waiting.pop(0), lease.granted
    waiting = [frame for frame in waiting if frame not in failed and frame not in job.twice]
    opening = 0.0 if slave.holds(job) else job.open_seconds
    mine, theirs = job.expected(slave.id), job.expected(lease.slave)
    left = _left(farm.now - since, theirs) if frame is not None else 0.0
    if waiting:
        if mine is None or theirs is None:
            return Help(0.0, lease, tuple(waiting[-1:]), False) if lease.current is not None else None
        gain = left + len(waiting) * theirs - mine - opening
        if gain <= 0:
            return None
        # As many as both end at the same time with.
        count = int((left + len(waiting) * theirs - opening) / (mine + theirs)) if mine + theirs else 1
        return Help(gain, lease, tuple(waiting[-min(max(count, 1), len(waiting)) :]), False)
    if frame is None or frame in failed:
        return None
    if frame in job.twice:
        return _instead_of_one(farm, slave, job, frame, mine, opening)
    if mine is None:
        late = farm.now - since >= farm.policy.straggler_blind
        return Help(left, lease, (frame,), True) if late else None
    gain = left - (mine + opening) * farm.policy.straggler_margin
    return Help(gain, lease, (frame,), True) if gain > 0 else None


def _instead_of_one(farm: Farm, slave: Slave, job: Job, frame: int, mine: float | None, opening: float) -> Help | None:
    """Two slaves have the frame already: this one replaces the later of them if it will be first by far."""
    pair = [farm.leases[number] for number in job.twice[frame]]
    if mine is None or any(lease.slave == slave.id for lease in pair):
        return None

    def left(lease: Lease) -> float:
        return _left(farm.now - (lease.since if lease.current == frame else lease.granted), job.expected(lease.slave))

    first, last = sorted(pair, key=left)
    # Being late is no reason: what it has done would be lost again and again. Being slow is.
    if (job.expected(last.slave) or 0.0) < mine * TWICE:
        return None
    gain = left(first) - (mine + opening) * farm.policy.straggler_margin
    return Help(gain, first, (frame,), True, last) if gain > 0 else None


def _renders(farm: Farm, slave: str) -> bool:
    return any(farm.leases[number].current is not None for number in farm.slaves[slave].leases)


def _left(spent: float, expected: float | None) -> float:
    """Seconds until the frame is over: what has taken too long already will take as long again."""
    return spent if expected is None or spent >= expected else expected - spent
