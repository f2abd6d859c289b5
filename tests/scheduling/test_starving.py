"""A job that got nothing for long: when exactly its time comes, and that room is made for it."""

from collections.abc import Iterable
from math import inf

import pytest

from coordinator.constants import STARVED_AFTER
from coordinator.scheduling import events as e
from coordinator.scheduling.models import Job
from coordinator.scheduling.policy import Policy
from coordinator.scheduling.upkeep import due
from scripts.simulation.simulator import SimulatedSlave, Simulator
from scripts.simulation.simulator import manifest as simulated

from .farms import FarmUnderTest, granted, manifest


@pytest.fixture
def farm() -> FarmUnderTest:
    made = FarmUnderTest()
    made.farm.policy = Policy(max_share=1.0)  # one slave is the whole farm
    return made


def tick(farm: FarmUnderTest, when: float) -> list[e.Decision]:
    farm.now = when - 1.0  # `feed` adds it
    return farm.feed(e.Tick)


def recalled(decisions: Iterable[e.Decision]) -> list[int]:
    return [decision.lease for decision in decisions if isinstance(decision, e.Revoked)]


def burden(farm: FarmUnderTest, *jobs: Job) -> None:
    """Let them have had so much of the farm that others go before them for minutes."""
    for job in jobs:
        job.usage = 0.9
        farm.farm.rank(job)


def waiting_behind(farm: FarmUnderTest) -> Job:
    """A job that had a frame once, and now waits: the slave renders a frame of another, and holds a chunk ready."""
    farm.join("a")
    job = farm.job(manifest("1-99", name="waits"))
    burden(farm, job)
    farm.job(manifest("1-1000", name="other", priority=10, chunk=5))
    farm.start(1, 1)  # the slave holds the other's first chunk
    farm.done(1, 1)
    farm.start(2, 1)
    for frame in range(1, 5):
        farm.done(2, frame)
        farm.start(2, frame + 1)  # the last one: another chunk of that job is granted
    tick(farm, farm.now + 1.0)  # it is known now how long frames take
    leases = [farm.farm.leases[lease] for lease in farm.farm.slaves["a"].leases]
    assert [len(lease.unstarted) for lease in leases] == [0, 5] and {lease.job for lease in leases} != {job.id}
    return job


def time_up(farm: FarmUnderTest, job: Job) -> float:
    return farm.farm.ranking.starves(job, farm.farm.policy)


def test_a_tick_is_asked_for_when_its_time_comes_and_it_gets_the_next_slave(farm: FarmUnderTest) -> None:
    job = waiting_behind(farm)
    end = time_up(farm, job)
    assert job.last_dispatch < job.released < end < job.released + STARVED_AFTER
    while (when := due(farm.farm)) is not None and when < end:
        assert not granted(tick(farm, when)), "the others' frames are not taken back before"
    assert when == end, "neither at the next sample, nor later"
    decisions = tick(farm, end)
    assert recalled(decisions), "what the slave has not begun"
    assert granted(decisions) == [("a", (2,))]
    assert farm.farm.slaves["a"].leases[-1] in job.leases


def test_a_moment_before_it_is_not_its_turn(farm: FarmUnderTest) -> None:
    job = waiting_behind(farm)
    end = time_up(farm, job)
    assert not granted(tick(farm, end - 1e-6))
    assert due(farm.farm) == end


def test_an_event_at_its_time_will_do_as_well_as_a_tick(farm: FarmUnderTest) -> None:
    job = waiting_behind(farm)
    farm.now = time_up(farm, job)
    decisions = farm.join("of another kind", blender="4.1.0")
    farm.farm.rank(job)  # as it is whenever something happens to it
    assert granted(decisions) == [] and job.entry is not None and not job.entry[0]
    assert granted(farm.join("of another kind", blender="4.1.0")) == [("a", (2,))]


def test_nothing_is_taken_from_another_whose_turn_it_is_before_it_begins(farm: FarmUnderTest) -> None:
    farm.join("a")
    one, two = farm.job(manifest("1-99", name="one")), farm.job(manifest("1-99", name="two"))
    other = farm.job(manifest("1-1000", name="other", priority=10))
    burden(farm, one, two)
    lease = 1
    while other.dispatched < 5:
        frame = min(farm.farm.leases[lease].frames)
        farm.start(lease, frame)
        farm.done(lease, frame)
        lease = max(farm.grants)
    farm.start(lease, min(farm.farm.leases[lease].frames))  # the slave renders one frame, and holds one ready
    assert not one.users and not two.users
    end = max(time_up(farm, one), time_up(farm, two))
    decisions = tick(farm, end)
    assert len(recalled(decisions)) == len(granted(decisions)) == 1, "one slave can be given one of them"
    for after in (1.0, 2.0, 300.0):
        assert not recalled(tick(farm, end + after)), "and the other one waits"


def test_who_waits_longest_comes_first(farm: FarmUnderTest) -> None:
    farm.join("a")
    jobs = [farm.job(manifest("1-99", name=f"{n}", priority=10 - n)) for n in range(5)]
    served: list[str] = []
    lease = 1
    for _ in range(15):  # every frame takes so long that all of them wait too long
        frame = min(farm.farm.leases[lease].frames)
        farm.start(lease, frame)
        tick(farm, farm.now + 300.0)
        farm.done(lease, frame, seconds=300.0)
        served.append(farm.grants[lease].job)
        lease = farm.farm.slaves["a"].leases[0]
    assert served[5:10] == served[10:15] and set(served[5:10]) == {job.id for job in jobs}


def test_what_was_taken_back_unbegun_counts_as_never_given(farm: FarmUnderTest) -> None:
    job = waiting_behind(farm)
    other = farm.farm.jobs[farm.grants[2].job]
    last = farm.farm.leases[farm.farm.slaves["a"].leases[-1]]
    before = last.before
    assert last.unstarted == set(last.given) and before < last.granted == other.last_dispatch
    tick(farm, time_up(farm, job))
    assert last.id not in farm.farm.leases
    assert other.last_dispatch == before


def test_a_job_with_a_slave_does_not_wait_however_long_its_chunk_is(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.join("b")
    long = farm.job(manifest("1-1000", name="long", chunk=100))
    farm.start(1, 1)
    assert long.users and farm.farm.ranking.starves(long, farm.farm.policy) == inf
    tick(farm, farm.now + 10 * STARVED_AFTER)
    assert long.entry is not None and long.entry[0], "it does not go first"


def test_it_waits_from_the_time_that_it_was_there_if_new_jobs_do_not_go_first() -> None:
    farm = FarmUnderTest()
    farm.farm.policy = Policy(first_frames=0)
    farm.now = 1e6
    farm.join("a")
    farm.job(manifest("1-1000", name="other", priority=10))
    job = farm.job(manifest("1-9", name="waits"))
    assert time_up(farm, job) == pytest.approx(job.created + STARVED_AFTER, abs=0.3 * STARVED_AFTER)


# --- what is promised, in virtual time --------------------------------------------------------------------------------


def waits(simulator: Simulator, job: str, end: float) -> list[float]:
    """Seconds from the begin of each of its frames to that of the next."""
    begins = sorted(span.begin for span in simulator.spans if span.job == job)
    return [after - before for before, after in zip([0.0, *begins], [*begins, end], strict=True)]


@pytest.mark.parametrize("slaves", [1, 2, 5])
@pytest.mark.parametrize(("seconds", "chunk"), [(1.0, 0), (1.0, 5), (7.0, 1), (7.0, 3), (29.0, 0), (29.0, 1)])
def test_a_frame_every_two_minutes_while_frames_take_up_to_half_a_minute(
    slaves: int, seconds: float, chunk: int
) -> None:
    simulator = Simulator()
    for number in range(slaves):
        simulator.join(SimulatedSlave(f"slave-{number}"))
    for number in range(2 * slaves):  # few enough that all of them can have a turn in two minutes
        film = simulated(f"priority 10, {number}", "1-100000", priority=10, chunk=chunk)
        simulator.submit(film, lambda frame: seconds)
    simulator.submit(simulated("waits", "1-100000"), lambda frame: seconds)
    simulator.run(7200.0)
    simulator.finish_spans()
    assert max(waits(simulator, "waits", 7200.0)) <= STARVED_AFTER


def test_of_many_jobs_with_long_frames_none_waits_for_ever() -> None:
    simulator = Simulator()
    for number in range(2):
        simulator.join(SimulatedSlave(f"slave-{number}"))
    for number in range(20):
        simulator.submit(simulated(f"{number:02}", "1-100000"), lambda frame: 600.0)
    simulator.run(5 * 20 * 600.0 / 2)
    simulator.finish_spans()
    frames = [sum(span.job == f"{number:02}" for span in simulator.spans) for number in range(20)]
    assert min(frames) >= 4
