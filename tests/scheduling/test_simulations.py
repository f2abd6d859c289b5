"""What the scheduler promises, over an hour of virtual time and more."""

import math
from pathlib import Path

import pytest
from PIL import Image

from coordinator.protocol.states import FrameState, JobState
from scripts.simulation import scenarios
from scripts.simulation.drawing import draw, idle
from scripts.simulation.simulator import SimulatedSlave, Simulator, manifest


def test_priorities_1_and_2_get_a_third_and_two_thirds() -> None:
    outcome = scenarios.priorities()
    found = scenarios.shares(outcome.simulator, 0.0, outcome.end)
    assert found["priority 1"] == pytest.approx(1 / 3, abs=0.02)
    assert found["priority 2"] == pytest.approx(2 / 3, abs=0.02)
    assert idle(outcome.simulator, outcome.end) < 0.02


def test_nobody_gets_more_than_three_quarters_while_others_have_work() -> None:
    outcome = scenarios.cap()
    found = scenarios.shares(outcome.simulator, 0.0, outcome.end)
    assert found["priority 10"] == pytest.approx(0.75, abs=0.02), "by priority alone it would have 91 %"


def test_a_job_alone_gets_all() -> None:
    simulator = Simulator()
    for number in range(4):
        simulator.join(SimulatedSlave(f"slave-{number}"))
    simulator.submit(manifest("alone", "1-1000"), lambda frame: 5.0)
    simulator.run(600.0)
    simulator.finish_spans()
    assert idle(simulator, 600.0) < 0.02


def test_one_frame_behind_100000_starts_within_a_frame() -> None:
    outcome = scenarios.newcomer()
    [begin] = [span.begin for span in outcome.simulator.spans if span.job == "one frame"]
    assert begin - 600.0 <= 10.0 + 0.1


def test_one_frame_behind_chunks_that_are_not_at_their_end_starts_within_a_frame() -> None:
    simulator = Simulator()
    simulator.join(SimulatedSlave("slave"))
    simulator.submit(manifest("long", "1-100000", chunk=500), lambda frame: 10.0)
    simulator.submit(manifest("one frame", "1"), lambda frame: 10.0, at=604.0)
    simulator.run(700.0)
    simulator.finish_spans()
    [begin] = [span.begin for span in simulator.spans if span.job == "one frame"]
    assert begin - 604.0 <= 10.0 + 0.1
    assert all(span.kept for span in simulator.spans if span.end < 700.0), "what was taken back was not begun"


def test_nobody_starves() -> None:
    outcome = scenarios.starved()
    begins = [span.begin for span in outcome.simulator.spans if span.job == "priority 1"]
    gaps = [after - before for before, after in zip([0.0, *begins], [*begins, outcome.end], strict=True)]
    assert max(gaps) <= 120.0


@pytest.mark.parametrize(("hangs", "least"), [(False, 0.97), (True, 0.90)])
def test_slaves_of_all_speeds_end_together(hangs: bool, least: float) -> None:
    outcome = scenarios.speeds(hangs)
    [job] = outcome.simulator.farm.jobs.values()
    assert job.state is JobState.FINISHED and job.frames.count(FrameState.DONE) == 5000
    kept = [span.frame for span in outcome.simulator.spans if span.kept]
    assert sorted(kept) == list(range(1, 5001)), "nothing is counted twice"
    cost = scenarios.uneven()
    costs = [cost(frame) for frame in range(1, 5001)]
    assert max(costs) > 10 * min(costs)
    ideal = sum(costs) / sum(slave.speed for slave in outcome.simulator.slaves.values())
    assert ideal / outcome.end >= least


def test_a_slave_that_hangs_from_the_first_frame_holds_nobody_up() -> None:
    simulator = Simulator()
    simulator.join(SimulatedSlave("dead", hangs_from=0.0))
    simulator.submit(manifest("job", "1-20", chunk=5), lambda frame: 10.0)
    simulator.join(SimulatedSlave("well"), at=1.0)
    simulator.run(1000.0)
    [job] = simulator.farm.jobs.values()
    assert job.state is JobState.FINISHED and job.finished is not None and job.finished < 400.0


def test_slaves_that_come_and_go_and_fail_lose_nothing() -> None:
    outcome = scenarios.coming_and_going()
    jobs = list(outcome.simulator.farm.jobs.values())
    assert len(jobs) == 3 and all(job.frames.count(FrameState.DONE) == len(job.frames.range) for job in jobs)
    broken = outcome.simulator.farm.slaves["slave-07"]
    assert any("slave-07" in job.barred or "slave-07" in job.failures for job in jobs) and not any(
        job.done_by.get(broken.name) for job in jobs
    )


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    outcome = scenarios.newcomer()
    draw(outcome.simulator, outcome.end, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width > 1000 and len(picture.getcolors(2**20) or ()) > 4
    assert math.isfinite(outcome.end)
