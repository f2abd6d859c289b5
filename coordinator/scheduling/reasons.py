"""Why a job waits though it is ready, kept true as slaves come and go: what it says is never "it just waits"."""

from collections.abc import Iterable

from ..protocol.states import JobState
from .events import Decision
from .failures import awaited, end_the_hopeless, sickness
from .farm import Farm
from .faults import named_aside
from .leases import job_moved
from .models import Job, Slave
from .needs import Need


def renew(farm: Farm) -> list[Decision]:
    """Say anew why jobs wait that nobody renders, and end those that nobody will."""
    decisions: list[Decision] = []
    for group in list(farm.ranking.groups.values()):
        jobs = [job for entry in group.entries if not (job := farm.jobs[entry[3]]).leases]
        if not jobs:
            continue
        obstacle = obstacle_to(farm, jobs[0].need)
        for job in jobs:
            if ended := end_the_hopeless(farm, job):
                decisions += ended
                continue
            reason = obstacle or _waiting(farm, job)
            if job.reason != reason and job.state is JobState.QUEUED:
                job.reason = reason
                decisions.append(job_moved(job))
    return decisions


def _waiting(farm: Farm, job: Job) -> str:
    if any(farm.would_render(slave, job) for slave in farm.hungry.values()):
        return "waits for a slave that has not failed its frames"
    if job.barred and not any(farm.would_render(slave, job) for slave in farm.connected()):
        if lost := awaited(farm, job):
            return f"waits for {lost.name} to come back: every other slave failed it too often"
        able = [slave for slave in farm.connected() if farm.may_render(slave, job) and slave.id not in job.barred]
        if aside := named_aside(able):
            return f"waits for slaves that are set aside, as every other one failed it too often: {aside}"
    return "waits for its turn" if farm.leases else "waits for a slave"


def obstacle_to(farm: Farm, need: Need) -> str:
    """Why no connected slave can render jobs of this need, and what to do; empty if one can."""
    if not farm.online:
        return "waits for a slave: none is connected; start one with: netrender slave"
    able = [slave for slave in farm.online.values() if need.met_by(slave.kind) and need.admits(slave.name)]
    if not able:
        return "no connected slave can render it: " + shortcomings(need, farm.online.values())
    if any(slave.well for slave in able):
        return ""
    if aside := named_aside(able):
        sick = " or sick" if any(slave.sick_since is not None for slave in able) else ""
        return f"waits for a slave that is fit: every slave that can render it is set aside{sick}: {aside}"
    one = able[0]
    return f"every slave that can render it is sick; {one.name}: {sickness(one)}"


def shortcomings(need: Need, slaves: Iterable[Slave]) -> str:
    """Of the slave that comes nearest: what it lacks."""
    nearest = min(slaves, key=lambda slave: (len(need.lacks(slave.kind, slave.name)), slave.name))
    version = "{}.{}".format(*nearest.kind.blender)
    lacking = " and ".join(need.lacks(nearest.kind, nearest.name))
    return f"it needs {lacking}; the nearest, {nearest.name}, has Blender {version}. Start a slave that fits"
