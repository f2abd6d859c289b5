"""Which job or slave a person means: a whole id or name comes before the beginning of an id, and nothing is guessed."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from .. import errors
from ..protocol.jobs import JobInfo, SlaveInfo

T = TypeVar("T", JobInfo, SlaveInfo, JobInfo | SlaveInfo)

MOST = 5  # candidates that an error names


def find_job(jobs: Iterable[JobInfo], text: str) -> JobInfo:
    """Return the job with this id, or whose id alone begins so. Raises UsageError or NotFoundError."""
    found = [job for job in jobs if _begins(job.id, text)]
    if not found:
        raise errors.NotFoundError(f"no job {text!r}")
    return _only(found, f"jobs begin with {text!r}", _job, "write more of the id")


def find_slave(slaves: Iterable[SlaveInfo], text: str) -> SlaveInfo:
    """Return the slave of this name or id, or whose id alone begins so. Raises UsageError or NotFoundError.

    Of several slaves of one name it is the one that is connected, because who has been away may never come back.
    """
    known = list(slaves)
    exact = _exact(known, text)
    if exact:
        return _only(exact, f"slaves are called {text!r}", _slave, "write the beginning of the id")
    found = [slave for slave in known if _begins(slave.id, text)]
    if not found:
        raise errors.NotFoundError(f"no slave {text!r}")
    return _only(found, f"slaves have an id that begins with {text!r}", _slave, "write more of the id")


def find_either(jobs: Iterable[JobInfo], slaves: Iterable[SlaveInfo], text: str) -> JobInfo | SlaveInfo:
    """Return the job of this id, else the slave of this name or id, else what alone has an id that begins so."""
    jobs, slaves = list(jobs), list(slaves)
    whole = next((job for job in jobs if job.id == text.lower()), None)
    if whole is not None:
        return whole
    if _exact(slaves, text):
        return find_slave(slaves, text)
    both: list[JobInfo | SlaveInfo] = [*jobs, *slaves]
    found = [each for each in both if _begins(each.id, text)]
    if not found:
        raise errors.NotFoundError(f"no job and no slave {text!r}")
    return _only(
        found, f"ids of jobs and slaves begin with {text!r}", _either, "write more of the id, or a slave's name"
    )


def _begins(id: str, text: str) -> bool:
    return bool(text) and id.startswith(text.lower())


def _exact(slaves: list[SlaveInfo], text: str) -> list[SlaveInfo]:
    found = [slave for slave in slaves if slave.name == text]
    found = [slave for slave in found if slave.connected] or found
    return found + [slave for slave in slaves if slave.id == text.lower() and slave not in found]


def _only(found: list[T], what: str, named: Callable[[T], str], remedy: str) -> T:
    if len(found) == 1:
        return found[0]
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    which = ", ".join(named(each) for each in found[:MOST])
    raise errors.UsageError(f"{len(found)} {what}: {which}{more}; {remedy}")


def _job(job: JobInfo) -> str:
    return f"{job.id} ({job.name})"


def _slave(slave: SlaveInfo) -> str:
    return f"{slave.id[:8]} ({slave.name} on {slave.host})"


def _either(each: JobInfo | SlaveInfo) -> str:
    return f"job {_job(each)}" if isinstance(each, JobInfo) else f"slave {_slave(each)}"
