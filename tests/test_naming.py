"""Which job or slave a person's word means: coordinator/client/naming.py. Pure."""

from collections.abc import Sequence

import pytest

from coordinator import errors
from coordinator.client import naming
from coordinator.protocol.jobs import Counts, JobInfo, SlaveInfo
from coordinator.protocol.states import JobState


def job(id: str, name: str = "film") -> JobInfo:
    return JobInfo(
        id=id.ljust(16, "0"),
        name=name,
        state=JobState.QUEUED,
        reason="",
        frames="1",
        counts=Counts(queued=1),
        priority=1,
        blender="",
        created=0.0,
        started=None,
        finished=None,
        slaves={},
    )


def slave(name: str, id: str = "f", *, connected: bool = True) -> SlaveInfo:
    return SlaveInfo(
        id=id.ljust(32, "0"),
        name=name,
        host=f"{name}.local",
        blender="4.5.15",
        threads=2,
        features=(),
        connected=connected,
        job="",
        frame=None,
        last_seen=0.0,
    )


JOBS = (job("a1"), job("ab"), job("c"))
A, B, AWAY = slave("a", "0a"), slave("b", "ab"), slave("b", "bc", connected=False)
SLAVES = (A, B, AWAY, slave("d", "12"), slave("d", "13"), slave("ab000", "c1"))


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("a", A),  # two jobs and a slave begin so
        ("c000000000000000", JOBS[2]),
        ("C0", JOBS[2]),
        ("ab000", SLAVES[5]),  # its whole name, though a job's id begins so
        ("b", B),  # the other one is away
        ("bc", AWAY),
        (AWAY.id, AWAY),
        ("12", SLAVES[3]),
    ],
)
def test_a_whole_id_or_name_comes_before_the_beginning_of_an_id(text: str, means: JobInfo | SlaveInfo) -> None:
    assert naming.find_either(JOBS, SLAVES, text) == means


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ab", ["job ab00000000000000 (film)", "slave ab000000 (b on b.local)"]),
        ("1", ["12000000 (d on d.local)", "13000000 (d on d.local)"]),
        ("d", ["12000000 (d on d.local)", "13000000 (d on d.local)"]),
        ("c", ["job c000000000000000 (film)", "slave c1000000 (ab000 on ab000.local)"]),
    ],
)
def test_what_may_mean_several_is_an_error_that_names_them(text: str, named: Sequence[str]) -> None:
    with pytest.raises(errors.UsageError) as raised:
        naming.find_either(JOBS, SLAVES, text)
    assert all(each in raised.value.message for each in named), raised.value.message
    assert "write" in raised.value.message


def test_the_whole_id_of_a_job_is_the_job_whatever_a_slave_is_called() -> None:
    named_so = slave(JOBS[0].id)
    assert naming.find_either(JOBS, [named_so], JOBS[0].id) == JOBS[0]
    assert naming.find_either(JOBS, [named_so], named_so.id) == named_so


@pytest.mark.parametrize("text", ["", "zzz", " ", "a1 "])
def test_nothing_is_found_for_what_nothing_is_called(text: str) -> None:
    with pytest.raises(errors.NotFoundError):
        naming.find_either(JOBS, SLAVES, text)
    with pytest.raises(errors.NotFoundError):
        naming.find_slave(SLAVES, text)
    with pytest.raises(errors.NotFoundError):
        naming.find_job(JOBS, text)


def test_a_slave_is_one_of_its_name_before_one_whose_id_begins_so() -> None:
    assert naming.find_slave([slave("a", "b"), slave("b", "a")], "a").name == "a"
    with pytest.raises(errors.UsageError, match=r"2 slaves are called 'd'.*beginning of the id"):
        naming.find_slave(SLAVES, "d")
    # The connected one is not taken where the beginning of an id means several.
    with pytest.raises(errors.UsageError, match="begins with '1'"):
        naming.find_slave([slave("x", "12"), slave("y", "13", connected=False)], "1")


def test_many_candidates_are_counted() -> None:
    with pytest.raises(errors.UsageError, match=r"20 jobs begin with 'a'.* and 15 more; write more of the id"):
        naming.find_job([job(f"a{number:02}") for number in range(20)], "a")
