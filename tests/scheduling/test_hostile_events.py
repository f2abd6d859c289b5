"""Whatever decodable messages say: the scheduler raises nothing but our own errors, and then has changed nothing."""

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.errors import NetrenderError, NotFoundError
from coordinator.protocol.frames import FIRST_FRAME, LAST_FRAME
from coordinator.protocol.jobs import JobChanges
from coordinator.protocol.limits import MAX_BYTES, MAX_COUNT, MAX_LEASE
from coordinator.protocol.messages import Held
from coordinator.protocol.states import FrameOrder
from coordinator.scheduling import events as e
from coordinator.scheduling import explain
from coordinator.scheduling.farm import Farm
from coordinator.scheduling.step import step
from coordinator.scheduling.upkeep import due
from coordinator.server.reports import job_info, slave_info

from ..slaves import slave_id
from .farms import BLOB, FarmUnderTest, manifest

MOST = 2**63 - 1  # what the database holds
SECONDS = st.sampled_from([0.0, 5e-324, 1e-9, 0.5, 30.0, 1e7, 1e300, 1.7e308]) | st.floats(0, 1e308)
TIMES = st.sampled_from([0.0, 1.0, 1e3, 1.8e9, 1e11]) | st.floats(0, 1e11)
NUMBERS = st.integers(-2, 6) | st.sampled_from([-MOST, MOST, 2**31])
LEASES = st.integers(0, 6) | st.just(MAX_LEASE)
FRAMES = st.integers(-2, 6) | st.sampled_from([FIRST_FRAME, LAST_FRAME])
NAMES = ["a", "b", "c"]
SLAVES = st.sampled_from([slave_id(name) for name in NAMES])
JOBS = [
    manifest("1-4", chunk=0, priority=10),
    manifest("-2-3", chunk=2, name="spread", order=FrameOrder.SPREAD, max_slaves=1, priority=1),
    manifest("1-2", chunk=0, name="discards", discard=True, stall=1e6, memory=MOST),
    manifest("1-40", chunk=10_000, name="picky", attempts=100, blender="9999.9999", tags=("t",), start=1e11),
    manifest("1", chunk=0, name="after", only_slaves=("a",)),
]
IDS = st.sampled_from([*(job.id for job in JOBS), "0" * 16])


def event(kind: type, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, now=TIMES, **fields)


# Mostly the numbers of a random event name nothing: this is replaced by an event about a lease that there is.
AIMED = st.tuples(st.sampled_from(["start", "done", "done", "fail"]), NUMBERS, TIMES, SECONDS)
EVENTS = st.one_of(
    event(e.JobAnnounced, manifest=st.sampled_from(JOBS), missing=st.sampled_from([frozenset(), frozenset({BLOB})])),
    event(e.BlobsArrived, blobs=st.sampled_from([frozenset({BLOB}), frozenset({"cd" * 32})])),
    event(
        e.JobCommanded,
        job=IDS,
        command=st.sampled_from(["cancel", "pause", "resume", "reset", "", "explode"]),
        missing=st.sampled_from([frozenset(), frozenset({BLOB})]),
    ),
    event(
        e.JobChanged,
        job=IDS,
        changes=st.builds(
            JobChanges, priority=st.none() | st.integers(1, 10), max_slaves=st.sampled_from([0, 1, MAX_COUNT])
        ),
    ),
    event(e.SlaveHealed, slave=SLAVES),
    event(e.Tick),
    event(
        e.SlaveJoined,
        slave=SLAVES,
        name=st.sampled_from(NAMES) | st.text(max_size=3),
        host=st.text(max_size=3),
        blender=st.sampled_from(["4.5.15", "0.0.0", "9999.9999.9 alpha"]),
        threads=st.sampled_from([1, 65_536]),
        features=st.sampled_from([(), ("gpu", "gpu")]),
        holding=st.lists(st.builds(Held, lease=LEASES, frames=st.lists(FRAMES, max_size=3).map(tuple)), max_size=3).map(
            tuple
        ),
        memory=st.sampled_from([0, 1, MAX_BYTES]),
        tags=st.sampled_from([(), ("t",)]),
    ),
    event(e.SlaveLeft, slave=SLAVES, reason=st.text(max_size=3)),
    event(e.GraceEnded),
    event(e.FrameStarted, slave=SLAVES, lease=NUMBERS, frame=NUMBERS),
    event(e.FrameDone, slave=SLAVES, lease=NUMBERS, job=IDS, frame=NUMBERS, seconds=SECONDS),
    event(e.FrameFailed, slave=SLAVES, lease=NUMBERS, frame=NUMBERS, message=st.text(max_size=3)),
)
BEGINNING = [
    *(e.JobAnnounced(now=1.0, manifest=job, missing=frozenset()) for job in JOBS[:3]),
    *(e.SlaveJoined(now=1.0, slave=slave_id(name), name=name, host="h", blender="4.5.15", threads=1) for name in "ab"),
]


def aimed(farm: Farm, what: str, choice: int, now: float, seconds: float) -> e.Event | None:
    """An event about a lease and a frame that there are."""
    if not farm.leases:
        return None
    lease = list(farm.leases.values())[choice % len(farm.leases)]
    common: dict[str, Any] = {"now": now, "slave": lease.slave, "lease": lease.id, "frame": min(lease.frames)}
    if what == "start":
        return e.FrameStarted(**common)
    if what == "fail":
        return e.FrameFailed(**common, message="it broke")
    return e.FrameDone(**common, job=lease.job, seconds=seconds)


@settings(max_examples=300)
@given(st.lists(AIMED | EVENTS, max_size=60))
def test_nothing_but_our_own_errors_and_nothing_changed_by_them(events: list[Any]) -> None:
    farm = Farm()
    for wanted in [*BEGINNING, *events]:
        event = aimed(farm, *wanted) if isinstance(wanted, tuple) else wanted
        if event is None:
            continue
        before = pickle.dumps(farm)
        try:
            step(farm, event)
        except NetrenderError:
            assert pickle.dumps(farm) == before, event
        # What the server and the timer read of it.
        due(farm)
        for job in farm.jobs.values():
            job_info(farm, job)
            explain.job(farm, job)
            assert 0 <= (job.frame_seconds or 0.0) < 1e12
        for slave in farm.slaves.values():
            slave_info(slave)
            explain.slave(farm, slave)


@pytest.mark.parametrize("seconds", [0.0, 5e-324, 1e300])
def test_times_that_no_frame_takes_do_not_spoil_what_is_known_of_speeds(seconds: float) -> None:
    farm = FarmUnderTest()
    farm.job(manifest("1-100", chunk=0))
    farm.join("a")
    farm.join("b")
    for frame_seconds in (seconds, 1.0, seconds, 1.0):
        for lease in list(farm.farm.leases.values()):
            for frame in sorted(lease.frames):
                farm.done(lease.id, frame, frame_seconds)
    for slave in farm.farm.slaves.values():
        assert slave.seconds is not None and 0 < slave.seconds < 1e12


def test_a_slave_that_nobody_knows_cannot_leave() -> None:
    with pytest.raises(NotFoundError):
        FarmUnderTest().feed(e.SlaveLeft, slave="nobody", reason="it was never there")
