"""Why a job has the slaves that it has, and why a slave is idle: read from the farm, never remembered.

Codes of a job: ended, paused, waiting, rendering, all-dispatched, files, full, exception, first, behind, next,
no-slave, unfit, barred, unable, sick, aside, failed. Of a slave: away, sick, aside, rendering, no-work, unfit, barred,
unable, all-dispatched, files, full, failed. Of both: storage, while the
coordinator's disk is full (server/jobs.py).
"""

from ..protocol.jobs import Explanation, Fact
from ..protocol.states import JobState
from .dispatch import is_exception
from .failures import sickness
from .farm import Farm
from .faults import SET_ASIDE, named_aside
from .models import Job, Slave
from .ranking import live_usage
from .reasons import shortcomings

LISTED = 10  # jobs or slaves that are told one by one


def job(farm: Farm, job: Job) -> Explanation:
    facts = list(_state(job))
    if job.users:
        names = _names(farm.slaves[slave].name for slave in job.users)
        share = f"{len(job.users)} of {len(farm.online)} slaves, averaged {job.usage:.0%} of the farm"
        facts.append(Fact(code="rendering", text=f"{names} render it: {share}, at priority {job.priority}"))
    if job.state is JobState.QUEUED:
        facts += _why_not_more(farm, job)
    return Explanation(about=job.id, name=job.manifest.name, facts=tuple(facts))


def _state(job: Job) -> list[Fact]:
    if job.ended:
        return [Fact(code="ended", text=f"it is {job.state}: {job.reason}")]
    if job.state is JobState.PAUSED:
        return [Fact(code="paused", text=f"it is paused; go on with: netrender resume {job.id}")]
    if job.state is JobState.WAITING:
        return [Fact(code="waiting", text=f"it {job.reason}")]
    return []


def _why_not_more(farm: Farm, job: Job) -> list[Fact]:
    if not job.frames.takeable:
        if job.frames.queued:
            return [Fact(code="files", text=f"what is left of it waits for {len(job.missing)} files")]
        return [Fact(code="all-dispatched", text="slaves have every frame that is left of it")]
    facts: list[Fact] = []
    if job.full:
        text = f"it may have {job.max_slaves} slaves at once; change that with: netrender set {job.id} --max-slaves N"
        facts.append(Fact(code="full", text=text))
    facts += _who_could(farm, job)
    entry = job.entry
    if entry is not None and job in farm.ranking and any(farm.would_render(s, job) for s in farm.online.values()):
        if is_exception(farm, job):
            text = f"it has more than {farm.policy.max_share:.0%} of the slaves, so that other jobs go before it"
            facts.append(Fact(code="exception", text=text))
        if not entry[0]:
            text = "it goes first: it is new, or nothing of it was dispatched for long; the next slave is its"
            facts.append(Fact(code="first", text=text))
        elif before := _before(farm, job):
            named = _names(f"{other.id} ({other.manifest.name})" for other in before)
            weighted = live_usage(job, farm.policy, len(farm.online)) / job.priority
            text = f"jobs that have less of the farm for their priority go before it (it has {weighted:.3f}): {named}"
            facts.append(Fact(code="behind", text=text))
        else:
            facts.append(Fact(code="next", text="every slave is busy; the next one that ends what it has is its"))
    return facts


def _before(farm: Farm, job: Job) -> list[Job]:
    """Jobs ahead of it for some slave that would render both."""
    assert job.entry is not None
    found: dict[str, Job] = {}
    for kind, name in {(slave.kind, slave.name) for slave in farm.online.values() if farm.would_render(slave, job)}:
        for entry in farm.ranking.best_first(kind, name):
            if entry >= job.entry or len(found) > LISTED:
                break
            found[entry[3]] = farm.jobs[entry[3]]
    return list(found.values())


def _who_could(farm: Farm, job: Job) -> list[Fact]:
    if not farm.online:
        return [Fact(code="no-slave", text="no slave is connected; start one with: netrender slave")]
    fit = [slave for slave in farm.online.values() if farm.may_render(slave, job)]
    facts: list[Fact] = []
    if len(fit) < len(farm.online):
        text = f"{len(farm.online) - len(fit)} of {len(farm.online)} slaves cannot render it"
        if not fit:
            text += ": " + shortcomings(job.need, farm.online.values())
        facts.append(Fact(code="unfit", text=text))
    if unable := [slave for slave in fit if slave.id in job.unable]:
        one = unable[0]
        text = (
            f"{_names(s.name for s in unable)} cannot render it; {one.name}: {job.unable[one.id]}; see to it, then: "
            f"netrender heal {one.name}"
        )
        facts.append(Fact(code="unable", text=text))
    if barred := [slave for slave in fit if slave.id in job.barred and slave.id not in job.unable]:
        text = (
            f"{_names(s.name for s in barred)} failed in it too often; netrender heal SLAVE gives them another chance"
        )
        facts.append(Fact(code="barred", text=text))
    if sick := [slave for slave in fit if slave.sick_since is not None]:
        facts.append(
            Fact(code="sick", text=f"sick: {_names(s.name for s in sick)}; {sick[0].name}: {sickness(sick[0])}")
        )
    if aside := named_aside(fit):
        facts.append(Fact(code="aside", text=f"set aside: {aside}"))
    idle = [slave for slave in farm.hungry.values() if not slave.leases and farm.would_render(slave, job)]
    if idle and not job.full:
        text = f"{_names(s.name for s in idle)} failed what is left; other slaves are to try that"
        facts.append(Fact(code="failed", text=text))
    return facts


def slave(farm: Farm, slave: Slave) -> Explanation:
    return Explanation(about=slave.id, name=slave.name, facts=tuple(_slave(farm, slave)))


def _slave(farm: Farm, slave: Slave) -> list[Fact]:
    if not slave.connected:
        return [Fact(code="away", text=f"{slave.name} is not connected")]
    facts: list[Fact] = []
    if slave.sick_since is not None:
        facts.append(Fact(code="sick", text=sickness(slave)))
    if slave.aside:
        facts.append(Fact(code="aside", text=f"it is set aside: {slave.aside}; {SET_ASIDE}"))
    for number in slave.leases:
        lease = farm.leases[number]
        text = f"it has {len(lease.frames)} frames of job {lease.job} ({farm.jobs[lease.job].manifest.name})"
        facts.append(Fact(code="rendering", text=text))
    if facts:
        return facts
    open_jobs = [job for job in farm.jobs.values() if job.state is JobState.QUEUED]
    facts = [_why_not(farm, slave, job) for job in open_jobs[:LISTED]]
    if not open_jobs:
        return [Fact(code="no-work", text="no job has work")]
    if len(open_jobs) > LISTED:
        facts.append(Fact(code="no-work", text=f"and {len(open_jobs) - LISTED} jobs more"))
    return facts


def _why_not(farm: Farm, slave: Slave, job: Job) -> Fact:
    """Why an idle slave gets nothing of a job that is queued."""
    name = f"job {job.id} ({job.manifest.name})"
    if lacking := job.need.lacks(slave.kind, slave.name):
        return Fact(code="unfit", text=f"{name} needs {' and '.join(lacking)}")
    if slave.id in job.unable:
        text = f"it cannot render {name}: {job.unable[slave.id]}; see to it, then: netrender heal {slave.name}"
        return Fact(code="unable", text=text)
    if slave.id in job.barred:
        return Fact(code="barred", text=f"it failed too often in {name}; another chance: netrender heal {slave.name}")
    if not job.frames.takeable:
        if job.frames.queued:
            return Fact(code="files", text=f"what is left of {name} waits for {len(job.missing)} files")
        return Fact(code="all-dispatched", text=f"slaves have every frame that is left of {name}, and are not late")
    if job.full:
        return Fact(code="full", text=f"{name} has the {job.max_slaves} slaves that it may have")
    return Fact(code="failed", text=f"it failed what is left of {name}; other slaves are to try that")


def _names(names: object) -> str:
    known = sorted(names)  # type: ignore[call-overload]
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return ", ".join(known[:LISTED]) + more
