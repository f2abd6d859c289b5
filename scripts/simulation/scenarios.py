"""Farms to simulate: each is built, run, and says what is to be looked at."""

import math
import random
from collections.abc import Callable

from attrs import frozen

from .simulator import Cost, SimulatedSlave, Simulator, manifest

HOUR = 3600.0


@frozen
class Outcome:
    simulator: Simulator
    end: float  # seconds
    facts: dict[str, str]  # what this scenario is about


def uneven(seed: int = 1, mean: float = 60.0) -> Cost:
    """Frames whose cost differs by ten times within the job, slowly along it and at random."""
    dice = random.Random(seed)
    jitter = [dice.uniform(-0.5, 0.5) for _ in range(997)]

    def cost(frame: int) -> float:
        return mean * 10 ** (0.35 * math.sin(frame / 200) + 0.32 * jitter[frame % 997])

    return cost


def shares(simulator: Simulator, begin: float, end: float) -> dict[str, float]:
    """Which part of the time that slaves rendered between these two went to which job."""
    busy: dict[str, float] = {}
    for span in simulator.spans:
        seconds = min(span.end, end) - max(span.begin, begin)
        if seconds > 0:
            busy[span.job] = busy.get(span.job, 0.0) + seconds
    total = sum(busy.values())
    return {job: seconds / total for job, seconds in busy.items()}


def _farm(speeds: list[float], opening: float = 0.0) -> Simulator:
    simulator = Simulator(opening=opening)
    for number, speed in enumerate(speeds):
        simulator.join(SimulatedSlave(f"slave-{number:02}", speed))
    return simulator


def priorities() -> Outcome:
    """Priorities 1 and 2 over an hour: a third and two thirds."""
    simulator = _farm([1.0] * 8, opening=2.0)
    simulator.submit(manifest("priority 1", "1-100000"), lambda frame: 7.0)
    simulator.submit(manifest("priority 2", "1-100000", priority=2), lambda frame: 13.0)
    simulator.run(HOUR)
    simulator.finish_spans()
    found = shares(simulator, 0.0, HOUR)
    return Outcome(simulator, HOUR, {job: f"{share:.1%}" for job, share in sorted(found.items())})


def cap() -> Outcome:
    """Priorities 10 and 1, of which neither may have more than three quarters."""
    simulator = _farm([1.0] * 8)
    simulator.submit(manifest("priority 10", "1-100000", priority=10), lambda frame: 9.0)
    simulator.submit(manifest("priority 1", "1-100000"), lambda frame: 9.0)
    simulator.run(HOUR)
    simulator.finish_spans()
    found = shares(simulator, 0.0, HOUR)
    return Outcome(simulator, HOUR, {job: f"{share:.1%}" for job, share in sorted(found.items())})


def newcomer() -> Outcome:
    """One frame, submitted behind 100,000."""
    simulator = _farm([1.0] * 4)
    simulator.submit(manifest("long", "1-100000"), lambda frame: 10.0)
    simulator.submit(manifest("one frame", "1"), lambda frame: 10.0, at=600.0)
    simulator.run(700.0)
    simulator.finish_spans()
    begin = next((span.begin for span in simulator.spans if span.job == "one frame"), math.inf)
    return Outcome(simulator, 700.0, {"the frame started after": f"{begin - 600:.2f} s"})


def starved() -> Outcome:
    """Nine jobs of priority 10, one of priority 1: it gets a frame every two minutes at the latest."""
    simulator = _farm([1.0] * 2)
    for number in range(9):
        simulator.submit(manifest(f"priority 10, {number}", "1-100000", priority=10), lambda frame: 20.0)
    simulator.submit(manifest("priority 1", "1-100000"), lambda frame: 20.0)
    simulator.run(HOUR)
    simulator.finish_spans()
    begins = [span.begin for span in simulator.spans if span.job == "priority 1"]
    gaps = [after - before for before, after in zip([0.0, *begins], [*begins, HOUR], strict=True)]
    return Outcome(simulator, HOUR, {"longest time without a frame": f"{max(gaps):.0f} s"})


def speeds(hangs: bool = False) -> Outcome:
    """64 slaves of speeds from 1 to 8, 5,000 frames of uneven cost, against the ideal: all busy to the end."""
    each = [1 + 7 * number / 63 for number in range(64)]
    cost = uneven()
    ideal = sum(cost(frame) for frame in range(1, 5001)) / sum(each)
    simulator = _farm(each)
    if hangs:
        # In the last chunk, the fastest one.
        simulator.at(ideal * 0.98, lambda: setattr(simulator.slaves["slave-63"], "hangs_from", simulator.now))
    job = simulator.submit(manifest("uneven", "1-5000"), cost)
    simulator.run()
    simulator.finish_spans()
    end = simulator.job(job).finished or math.inf
    wasted = sum(span.end - span.begin for span in simulator.spans if not span.kept)
    facts = {
        "ideal": f"{ideal:.1f} s",
        "took": f"{end:.1f} s",
        "of the ideal": f"{ideal / end:.1%}",
        "rendered in vain": f"{wasted / (end * 64):.1%}",
    }
    return Outcome(simulator, end, facts)


def hanging() -> Outcome:
    """The same, and the fastest slave hangs for ever in its last chunk."""
    return speeds(hangs=True)


def coming_and_going() -> Outcome:
    """Slaves join, leave and fail; jobs arrive."""
    simulator = Simulator(opening=3.0)
    for number in range(10):
        slave = SimulatedSlave(f"slave-{number:02}", 1 + number % 4)
        if number == 7:
            slave.fails = lambda job, frame: True
        simulator.join(slave, at=60.0 * number)
    simulator.leave("slave-03", 900.0)
    simulator.leave("slave-04", 950.0)
    simulator.submit(manifest("film", "1-400"), uneven(2, mean=40.0))
    simulator.submit(manifest("stills", "1-20", priority=3, order="spread"), lambda frame: 120.0, at=400.0)
    simulator.submit(manifest("test", "1-3"), lambda frame: 30.0, at=1200.0)
    simulator.run()
    simulator.finish_spans()
    ends = {
        job.manifest.name: f"{(job.finished or math.nan) - job.created:.0f} s" for job in simulator.farm.jobs.values()
    }
    return Outcome(simulator, simulator.now, ends)


SCENARIOS: dict[str, Callable[[], Outcome]] = {
    "priorities": priorities,
    "cap": cap,
    "newcomer": newcomer,
    "starved": starved,
    "speeds": speeds,
    "hanging": hanging,
    "coming-and-going": coming_and_going,
}
