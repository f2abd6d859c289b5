"""Who may have what, the error policy, and what holds a job back: events in, decisions out."""

import math

import pytest

from coordinator.errors import NotFoundError, UsageError
from coordinator.protocol.jobs import JobChanges
from coordinator.protocol.limits import MAX_SECONDS, MAX_STALL
from coordinator.protocol.states import FrameOrder, FrameState, JobState
from coordinator.scheduling import events as e
from coordinator.scheduling import explain
from coordinator.scheduling.policy import policy

from .farms import BLOB, FarmUnderTest, granted, job_moves, manifest

J = JobState


@pytest.fixture
def farm() -> FarmUnderTest:
    return FarmUnderTest()


def codes(farm: FarmUnderTest, job: str) -> set[str]:
    return {fact.code for fact in explain.job(farm.farm, farm.farm.jobs[job]).facts}


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needs", "slave", "named"),
    [
        ({"tags": ("big", "linux")}, {"tags": ("big",)}, "the tag linux"),
        ({"features": ("gpu",)}, {}, "a slave with a gpu"),
        ({"memory": 64 * 10**9}, {"memory": 16 * 10**9}, "64 GB of memory"),
        ({"blender": "5.0"}, {"blender": "4.5.3"}, "Blender 5.0 or newer"),
        ({"only_slaves": ("bert",)}, {}, "one of the slaves bert"),
        ({"never_slaves": ("anna",)}, {}, "another slave than anna"),
    ],
)
def test_a_job_that_no_slave_fits_says_what_it_needs(
    farm: FarmUnderTest, needs: dict[str, object], slave: dict[str, object], named: str
) -> None:
    farm.join("anna", **slave)  # type: ignore[arg-type]
    job = farm.job(manifest(**needs))  # type: ignore[arg-type]
    assert not farm.grants and job.state is J.QUEUED
    assert named in job.reason and "anna" in job.reason and "unfit" in codes(farm, job.id)
    assert named in explain.slave(farm.farm, farm.farm.slaves["anna"]).facts[0].text


def test_the_reason_follows_who_is_there(farm: FarmUnderTest) -> None:
    job = farm.job(manifest(tags=("big",)))
    assert "none is connected" in job.reason
    assert job_moves(farm.join("anna")) == [J.QUEUED] and "the tag big" in job.reason
    assert granted(farm.join("bert", tags=("big",))) == [("bert", (1,))] and "rendering" in job.reason


def test_unknown_memory_is_given_a_chance(farm: FarmUnderTest) -> None:
    farm.join("anna", memory=0)
    farm.job(manifest(memory=10**12))
    assert farm.grants


def test_no_more_slaves_than_a_job_may_have(farm: FarmUnderTest) -> None:
    for slave in "abc":
        farm.join(slave)
    job = farm.job(manifest("1-9", max_slaves=2))
    assert len(job.users) == 2 and "full" in codes(farm, job.id)
    farm.feed(e.JobChanged, job=job.id, changes=JobChanges(max_slaves=3))
    assert len(job.users) == 3
    farm.feed(e.JobChanged, job=job.id, changes=JobChanges(max_slaves=1))
    for lease in (1, 2):
        farm.done(lease, min(farm.farm.leases[lease].frames))
    assert len(job.users) == 1


def test_a_changed_priority_counts_at_the_next_dispatch(farm: FarmUnderTest) -> None:
    farm.join("a")
    one, two = farm.job(manifest("1-99", name="one")), farm.job(manifest("1-99", name="two"))
    farm.done(1, 1)  # two has its first frame now
    farm.done(2, 1)
    for job in (one, two):
        job.usage = 0.5
        farm.farm.rank(job)
    farm.feed(e.JobChanged, job=two.id, changes=JobChanges(priority=9))
    last = max(farm.grants)
    [(_, frames)] = granted(farm.done(last, min(farm.farm.leases[last].frames)))
    assert farm.grants[max(farm.grants)].job == two.id and frames
    with pytest.raises(NotFoundError):
        farm.feed(e.JobChanged, job="0" * 16, changes=JobChanges(priority=9))


# --- what holds a job back --------------------------------------------------------------------------------------------


def test_a_job_after_another_waits_for_all_of_its_frames(farm: FarmUnderTest) -> None:
    farm.join("a")
    first = farm.job(manifest("1"))
    second = farm.job(manifest("1-2", name="second", after=(first.id,)))
    assert second.state.value == "waiting" and first.id in second.reason
    assert granted(farm.done(1, 1)) == [("a", (1,))] and second.state.value == "queued"


def test_a_job_after_one_that_was_cancelled_says_so(farm: FarmUnderTest) -> None:
    first = farm.job(manifest("1"))
    second = farm.job(manifest("1-2", name="second", after=(first.id,)))
    decisions = farm.feed(e.JobCommanded, job=first.id, command="cancel")
    assert job_moves(decisions) == [J.CANCELLED, J.WAITING]
    assert "was cancelled: reset that one, or cancel this one" in second.reason
    with pytest.raises(NotFoundError, match="0123456789abcdef"):
        farm.job(manifest("1", after=("0123456789abcdef",)))


def test_a_job_begins_at_its_time(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1", start=1000.0))
    assert job.state is J.WAITING and job.reason == "waits for its start time"
    farm.now = 998.0
    assert granted(farm.feed(e.Tick)) == []
    assert granted(farm.feed(e.Tick)) == [("a", (1,))]


def test_a_job_can_be_announced_as_paused(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1", paused=True), frozenset({BLOB}))
    assert job.state is J.PAUSED and not farm.grants
    farm.feed(e.BlobsArrived, blobs=frozenset({BLOB}))
    assert granted(farm.feed(e.JobCommanded, job=job.id, command="resume")) == [("a", (1,))]


def test_spread_shows_the_ends_and_the_middle_first(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1-9", chunk=9, order=FrameOrder.SPREAD))
    frames = farm.grants[1].frames
    assert frames[:3] == (1, 9, 5) and sorted(frames) == list(range(1, 10))


# --- errors -----------------------------------------------------------------------------------------------------------


def test_a_frame_is_given_up_after_different_slaves_failed_it(farm: FarmUnderTest) -> None:
    for slave in "abcd":
        farm.join(slave)
    job = farm.job(manifest("1", attempts=2))
    first = farm.grants[1].slave
    [(second, _)] = granted(farm.fail(1, 1))
    assert second != first
    farm.fail(2, 1)
    assert job.frames.state(1) is FrameState.ERROR and job.state is J.FINISHED


def test_a_slave_that_failed_too_often_gets_no_more_of_the_job(farm: FarmUnderTest) -> None:
    farm.farm.policy = policy({"slave_failures": "2", "sick_jobs": "9"})
    farm.join("a")
    job = farm.job(manifest("1-9", chunk=1))
    farm.fail(1, 1)
    farm.join("b")
    lease = farm.farm.leases[farm.farm.slaves["a"].leases[-1]]
    farm.fail(lease.id, min(lease.frames))
    assert "a" in job.barred and not farm.farm.slaves["a"].leases and "barred" in codes(farm, job.id)
    farm.feed(e.SlaveHealed, slave="a")
    assert not job.barred and farm.farm.slaves["a"].leases
    farm.farm.jobs[job.id].barred["a"] = farm.now
    farm.now += 1799.0
    farm.feed(e.Tick)
    assert job.barred == {}, "forgiven after half an hour"


def test_a_job_that_fails_everywhere_ends_and_says_so(farm: FarmUnderTest) -> None:
    farm.farm.policy = policy({"slave_failures": "2", "sick_jobs": "9"})
    farm.join("a")
    job = farm.job(manifest("1-9", chunk=1))
    for _ in range(2):
        lease = next(iter(farm.farm.leases.values()))
        farm.fail(lease.id, min(lease.frames))
    assert job.state is J.FINISHED and "failed too often on every slave" in job.reason and "a (2 times)" in job.reason
    assert granted(farm.feed(e.JobCommanded, job=job.id, command="reset")), "there is nobody else, so it may try again"


def test_a_scene_that_does_not_open_is_one_failure_of_its_slave(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1-9", chunk=4))
    for frame in (1, 2, 3, 4):
        farm.fail(1, frame)
    assert job.failures == {"a": 1} and job.failed_on == {"a": {1, 2, 3, 4}}
    first, *rest = farm.grants[2].frames
    farm.start(2, first)
    for frame in (first, *rest):
        farm.fail(2, frame)
    assert len(rest) == 3 and job.failures == {"a": 3}, "one frame that began, and then one scene that did not open"


def test_a_job_that_all_others_failed_waits_for_a_slave_that_was_just_lost(farm: FarmUnderTest) -> None:
    farm.farm.policy = policy({"slave_failures": "1", "sick_jobs": "9"})
    farm.join("a")
    farm.join("b")
    job = farm.job(manifest("1-9", chunk=1))
    farm.fail(1, 1)
    assert set(job.barred) == {"a"}
    farm.feed(e.SlaveLeft, slave="b", reason="it was restarted")
    assert job.reason == "waits for b to come back: every other slave failed it too often"
    assert granted(farm.join("b"))
    farm.feed(e.SlaveLeft, slave="b", reason="it is broken")
    farm.now += farm.farm.policy.comeback
    farm.feed(e.Tick)
    assert job.state is J.FINISHED and "failed too often on every slave" in job.reason


def test_reset_bars_who_failed_if_others_are_there(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1", attempts=1))
    farm.fail(1, 1)
    farm.join("b")
    assert job.state is J.FINISHED
    assert granted(farm.feed(e.JobCommanded, job=job.id, command="reset")) == [("b", (1,))]
    assert set(job.barred) == {"a"}


def test_a_slave_that_fails_in_every_job_is_sick_until_it_is_healed(farm: FarmUnderTest) -> None:
    farm.join("a")
    jobs = [farm.job(manifest("1", name=name, attempts=1)) for name in ("one", "two", "three", "four")]
    for lease in (1, 2, 3):
        farm.fail(lease, 1, "no memory\nand more")
    slave = farm.farm.slaves["a"]
    assert slave.sick_since is not None and not slave.leases
    assert jobs[3].state is J.QUEUED and "netrender heal a" in jobs[3].reason and "no memory" in jobs[3].reason
    assert granted(farm.feed(e.SlaveHealed, slave="a")) == [("a", (1,))]


def test_a_success_makes_good_for_failures_elsewhere(farm: FarmUnderTest) -> None:
    farm.join("a")
    for name in ("one", "two"):
        farm.job(manifest("1", name=name, attempts=1))
    farm.job(manifest("1-2", name="good"))
    farm.fail(1, 1)
    farm.fail(2, 1)
    farm.done(3, 1)
    farm.fail(4, 2)
    assert farm.farm.slaves["a"].sick_since is None


def test_the_stall_adapts_to_the_job(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1-9"))
    assert farm.grants[1].stall == farm.farm.policy.stall_blind
    farm.done(1, 1, seconds=60.0)
    assert farm.grants[2].stall == 60.0 * farm.farm.policy.stall_factor
    farm.job(manifest("1", name="own", stall=5.0))
    farm.done(2, 2, seconds=60.0)
    assert farm.grants[3].stall == 5.0


# --- stragglers -------------------------------------------------------------------------------------------------------


def late(farm: FarmUnderTest) -> None:
    """b has the last frame for long, and a has nothing."""
    for slave in "ab":
        farm.join(slave)
    farm.job(manifest("1-3"))
    for lease, frame in ((1, 1), (2, 2)):
        farm.start(lease, frame)
    farm.done(1, 1, seconds=2.0)  # a gets 3
    farm.start(3, 3)
    farm.done(3, 3, seconds=2.0)
    farm.now += 20.0
    farm.feed(e.Tick)


def test_the_first_result_of_a_frame_wins_and_the_other_slave_is_told(farm: FarmUnderTest) -> None:
    late(farm)
    assert (farm.grants[4].slave, farm.grants[4].frames) == ("a", (2,))
    farm.start(4, 2)
    decisions = farm.done(4, 2)
    assert [(d.slave, d.frames) for d in decisions if isinstance(d, e.Revoked)] == [("b", (2,))]
    [job] = farm.farm.jobs.values()
    assert job.state is J.FINISHED and job.done_by == {"a": 3} and not farm.farm.leases


@pytest.mark.parametrize("lost", ["a", "b"])
def test_the_other_one_goes_on_when_one_of_two_is_lost(farm: FarmUnderTest, lost: str) -> None:
    late(farm)
    decisions = farm.feed(e.SlaveLeft, slave=lost, reason="its connection closed")
    [moved] = [d for d in decisions if isinstance(d, e.FrameMoved)]
    assert moved.state is FrameState.DISPATCHED and moved.slave != lost
    [lease] = farm.farm.leases.values()
    farm.done(lease.id, 2)
    assert next(iter(farm.farm.jobs.values())).state is J.FINISHED


@pytest.mark.parametrize("seconds", [0.0, 5e-324, 1e-300, MAX_SECONDS])
def test_no_time_of_a_frame_is_too_short_or_too_long_to_reckon_with(farm: FarmUnderTest, seconds: float) -> None:
    """Whatever Done may say: a speed, a chunk and a limit that follow from it are numbers."""
    farm.join("anna")
    farm.join("bert")
    farm.job(manifest("1-100", chunk=0, discard=True))
    for number in range(1, 40):
        for lease in [one for one in farm.farm.leases.values() if one.frames]:
            frame = min(lease.frames)
            farm.start(lease.id, frame)
            farm.done(lease.id, frame, seconds if number % 2 else MAX_SECONDS - seconds)
    for slave in farm.farm.slaves.values():
        assert slave.seconds is not None and math.isfinite(slave.seconds)
    assert all(0 < one.stall <= MAX_STALL for one in farm.grants.values())


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_are_read_and_checked() -> None:
    assert policy({"max_share": "0.5", "frame_attempts": "7"}).frame_attempts == 7
    for settings, named in (
        ({"speed": "1"}, "speed"),
        ({"max_share": "much"}, "much"),
        ({"chunk_target": "0"}, "small"),
        ({"chunk_target": "nan"}, "finite"),
        ({"usage_memory": "1e999"}, "finite"),
        ({"stall_factor": "1e300"}, "too large"),
    ):
        with pytest.raises(UsageError, match=named):
            policy(settings)
