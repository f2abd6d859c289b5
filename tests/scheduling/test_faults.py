"""What is a machine's fault: nothing is counted against the frame, and nobody gets in vain what it cannot render."""

import pytest

from coordinator.protocol.messages import Held
from coordinator.protocol.states import Fault, FrameState, JobState
from coordinator.scheduling import events as e
from coordinator.scheduling import explain
from coordinator.scheduling.policy import policy

from .farms import FarmUnderTest, granted, manifest

FULL = "the disk is full"


@pytest.fixture
def farm() -> FarmUnderTest:
    return FarmUnderTest()


def aside(farm: FarmUnderTest, slave: str, job: str = "", holding: tuple[Held, ...] = ()) -> list[e.Decision]:
    return farm.feed(e.SlaveAside, slave=slave, reason=FULL, job=job, holding=holding)


def codes(farm: FarmUnderTest, job: str) -> set[str]:
    return {fact.code for fact in explain.job(farm.farm, farm.farm.jobs[job]).facts}


# --- a machine that can render nothing --------------------------------------------------------------------------------


def test_a_slave_that_is_set_aside_gives_back_all_but_what_it_has_rendered(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1-4", chunk=4))
    for frame in (1, 2):
        farm.start(1, frame)
    aside(farm, "a", job.id, (Held(lease=1, frames=(1,)),))
    assert (job.frames.in_state(FrameState.DISPATCHED), job.frames.queued) == ([1], 3)
    assert not job.attempts and not job.failed_on and not job.barred
    farm.done(1, 1)
    assert granted(farm.join("b")) == [("b", (2, 3, 4))]


def test_it_gets_nothing_until_it_is_fit_and_the_job_says_so(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1"))
    assert not granted(aside(farm, "a", job.id))
    assert "set aside" in job.reason and f"a: {FULL}" in job.reason and "aside" in codes(farm, job.id)
    assert explain.slave(farm.farm, farm.farm.slaves["a"]).facts[0].code == "aside"
    assert granted(farm.feed(e.SlaveFit, slave="a")) == [("a", (1,))]
    assert job.reason == "rendering with Blender 4.5" and codes(farm, job.id) == {"rendering", "all-dispatched"}


def test_a_slave_that_comes_back_says_whether_it_is_still_so(farm: FarmUnderTest) -> None:
    farm.join("a", aside=FULL)
    job = farm.job(manifest("1"))
    assert not farm.grants and FULL in job.reason
    farm.feed(e.SlaveLeft, slave="a", reason="its connection closed")
    assert granted(farm.join("a")) == [("a", (1,))]


def test_a_person_may_say_that_it_is_over_and_the_slave_that_it_is_not(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1"))
    for _ in range(9):
        aside(farm, "a", job.id)
        assert granted(farm.feed(e.SlaveHealed, slave="a")) == [("a", (1,))]
    assert not job.barred, "it is healed of that each time, too"


def test_a_frame_that_another_slave_renders_too_stays_with_that_one(farm: FarmUnderTest) -> None:
    for slave in "ab":
        farm.join(slave)
    job = farm.job(manifest("1-3"))
    farm.start(1, 1)
    farm.start(2, 2)
    farm.done(1, 1, seconds=2.0)
    farm.start(3, 3)
    farm.done(3, 3, seconds=2.0)
    farm.now += 20.0
    farm.feed(e.Tick)
    assert job.twice == {2: [2, 4]}
    aside(farm, farm.grants[2].slave, job.id)
    assert job.frames.state(2) is FrameState.DISPATCHED and not job.twice
    farm.done(4, 2)
    assert job.state is JobState.FINISHED


def test_a_job_that_sets_a_slave_aside_again_and_again_is_kept_from_it(farm: FarmUnderTest) -> None:
    farm.farm.policy = policy({"slave_failures": "3"})
    farm.join("a")
    job, other = farm.job(manifest("1", name="too large")), farm.job(manifest("1-9", name="other"))
    for _ in range(3):
        assert "a" not in job.barred
        aside(farm, "a", job.id)
        aside(farm, "a", job.id)  # it says so twice, and it counts once
        farm.feed(e.SlaveFit, slave="a")
    assert job.state is JobState.FINISHED and f"set aside 3 times with it, the last time: {FULL}" in job.reason
    assert job.frames.count(FrameState.ERROR) == 0 and not job.attempts
    assert {farm.farm.leases[number].job for number in farm.farm.slaves["a"].leases} == {other.id}


def test_a_frame_that_is_rendered_in_between_shows_that_the_job_can_be(farm: FarmUnderTest) -> None:
    farm.farm.policy = policy({"slave_failures": "2"})
    farm.join("a")
    job = farm.job(manifest("1-9", chunk=1))
    for _ in range(6):
        lease = next(iter(farm.farm.leases.values()))
        farm.done(lease.id, min(lease.frames))
        aside(farm, "a", job.id)
        farm.feed(e.SlaveFit, slave="a")
    assert not job.barred


def test_it_names_no_job_or_one_that_is_not_there(farm: FarmUnderTest) -> None:
    farm.join("a")
    for job in ("", "0" * 16, "nonsense"):
        aside(farm, "a", job, (Held(lease=77, frames=(1,)),))
    assert farm.farm.slaves["a"].aside == FULL


# --- a machine that cannot render one job -----------------------------------------------------------------------------


def test_a_job_that_a_machine_cannot_render_goes_to_others_and_the_machine_renders_others(farm: FarmUnderTest) -> None:
    farm.join("a")
    job, other = farm.job(manifest("1-4", chunk=4, name="mapped")), farm.job(manifest("1-2", name="other"))
    farm.join("b")
    decisions = farm.fail(1, 1, "no path map\nand more", fault=Fault.JOB)
    assert [(d.lease, d.frames) for d in decisions if isinstance(d, e.Revoked)] == [(1, (2, 3, 4))]
    assert job.unable == {"a": "no path map"} and not job.attempts and not job.failed_on
    assert {farm.farm.leases[n].job for n in farm.farm.slaves["a"].leases} == {other.id}
    assert "unable" in codes(farm, job.id) and "barred" not in codes(farm, job.id)
    while farm.farm.leases:
        lease = next(iter(farm.farm.leases.values()))
        farm.done(lease.id, min(lease.frames))
    assert job.done_by == {"b": 4} and job.state is JobState.FINISHED
    idle = farm.job(manifest("1-2", name="mapped", again=1, only_slaves=("a",)))
    farm.fail(max(farm.grants), 1, "no path map", fault=Fault.JOB)
    assert idle.state is JobState.FINISHED


def test_a_job_that_no_machine_can_render_ends_and_says_why(farm: FarmUnderTest) -> None:
    for slave in "ab":
        farm.join(slave)
    job = farm.job(manifest("1-9", chunk=1))
    for lease in (1, 2):
        farm.fail(lease, lease, f"no engine 'LUX' on {lease}", fault=Fault.JOB)
    assert job.state is JobState.FINISHED and "none of the slaves that are here can render it" in job.reason
    assert "a (no engine 'LUX' on 1); b (no engine 'LUX' on 2)" in job.reason and "0 frames failed" in job.reason
    assert granted(farm.feed(e.JobCommanded, job=job.id, command="reset")), "somebody has seen to it"


def test_a_job_waits_for_who_is_set_aside_and_says_so(farm: FarmUnderTest) -> None:
    for slave in "ab":
        farm.join(slave)
    job = farm.job(manifest("1-9", chunk=1))
    aside(farm, "a", job.id)
    farm.fail(2, 2, "no path map", fault=Fault.JOB)
    assert (
        job.state is JobState.QUEUED and f"set aside, as every other one failed it too often: a: {FULL}" in job.reason
    )


def test_what_a_machine_cannot_is_forgiven_after_a_while_and_by_a_person(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.join("b")
    job = farm.job(manifest("1-99", chunk=1))
    farm.fail(1, 1, "not mounted", fault=Fault.JOB)
    farm.feed(e.SlaveHealed, slave="a")
    assert not job.barred and not job.unable and farm.farm.slaves["a"].leases
    lease = farm.farm.slaves["a"].leases[0]
    farm.fail(lease, farm.grants[lease].frames[0], "not mounted", fault=Fault.JOB)
    farm.now += farm.farm.policy.forgive_after + 10
    farm.feed(e.Tick)
    assert not job.barred and not job.unable and farm.farm.slaves["a"].leases


def test_a_heavy_frame_goes_to_a_slave_that_has_the_memory(farm: FarmUnderTest) -> None:
    """Slaves that render the lighter ones keep the job; where nobody has it, the frame is given up, not the job."""
    farm.join("a")
    farm.join("b")
    job = farm.job(manifest("1-9", chunk=1))
    heavy = 3
    tried: list[str] = []
    while job.state is JobState.QUEUED:
        lease = next(iter(farm.farm.leases.values()))
        frame = min(lease.frames)
        farm.start(lease.id, frame)
        if frame != heavy:
            farm.done(lease.id, frame)
            continue
        tried.append(lease.slave)
        farm.fail(lease.id, frame, "not enough memory", fault=Fault.JOB)
    assert tried[:2] in (["a", "b"], ["b", "a"]) and len(tried) == farm.farm.policy.frame_attempts
    assert job.frames.count(FrameState.DONE) == 8 and job.frames.state(heavy) is FrameState.ERROR
    assert not job.attempts and not job.barred


def test_frames_that_are_too_heavy_for_many_slaves_still_find_the_one_that_is_large(farm: FarmUnderTest) -> None:
    for slave in ("s1", "s2", "s3", "s4", "large"):
        farm.join(slave)
    job = farm.job(manifest("1-20", chunk=1))
    while job.state is JobState.QUEUED:
        lease = next(iter(farm.farm.leases.values()))
        frame = min(lease.frames)
        farm.start(lease.id, frame)
        if lease.slave == "large":
            farm.done(lease.id, frame)
        else:
            farm.fail(lease.id, frame, "not enough memory", fault=Fault.JOB)
    assert job.frames.count(FrameState.DONE) == 20 and set(job.barred) == {"s1", "s2", "s3", "s4"}
    assert len(farm.grants) <= 20 + 4 * 2, "each of the small ones has tried once; what it held ready went back"


def test_a_scene_that_does_not_open_for_want_of_memory_is_tried_once_on_each_machine(farm: FarmUnderTest) -> None:
    for slave in "abc":
        farm.join(slave)
    job = farm.job(manifest("1-9", chunk=3))
    for lease in (1, 2, 3):
        farm.fail(lease, farm.grants[lease].frames[0], "not enough memory", fault=Fault.JOB)
    assert job.state is JobState.FINISHED and len(farm.grants) == 3 and "not enough memory" in job.reason
