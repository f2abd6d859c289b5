"""Random histories of events: what must hold whatever happens."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coordinator.errors import ConflictError, NotFoundError, StaleLeaseError
from coordinator.protocol.frames import FrameRange
from coordinator.protocol.states import ENDED, FrameState, JobState
from coordinator.scheduling import events as e

from .farms import FarmUnderTest, manifest

SLAVES = st.sampled_from(["a", "b", "c"])


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.under_test = FarmUnderTest()
        self.farm = self.under_test.farm
        self.done: dict[tuple[str, int], int] = {}

    def some_lease(self, choice: int) -> tuple[int, int] | None:
        """A lease that was granted once (maybe void by now) and one of its frames."""
        grants = sorted(self.under_test.grants)
        if not grants:
            return None
        lease = grants[-1 - choice % len(grants)]
        frames = self.under_test.grants[lease].frames
        return lease, frames[choice % len(frames)]

    @rule(frames=st.integers(1, 6), chunk=st.integers(0, 3))
    def announce(self, frames: int, chunk: int) -> None:
        self.under_test.job(manifest(str(FrameRange.between(1, frames)), chunk=chunk))

    @rule(slave=SLAVES, keeps=st.booleans())
    def join(self, slave: str, keeps: bool) -> None:
        held = self.farm.slaves[slave].leases if slave in self.farm.slaves else []
        self.under_test.join(slave, holding=tuple(held) if keeps else ())

    @rule(slave=SLAVES)
    def leave(self, slave: str) -> None:
        if slave in self.farm.slaves and self.farm.slaves[slave].connected:
            self.under_test.feed(e.SlaveLeft, slave=slave, reason="test")

    @rule(choice=st.integers(0, 5), what=st.sampled_from(["start", "done", "fail"]))
    def report(self, choice: int, what: str) -> None:
        if (found := self.some_lease(choice)) is None:
            return
        lease, frame = found
        job = self.under_test.grants[lease].job
        before = self.farm.jobs[job].frames.counts
        try:
            getattr(self.under_test, what)(lease, frame)
        except StaleLeaseError:
            assert self.farm.jobs[job].frames.counts == before
            return
        if what == "done":
            self.done[job, frame] = self.done.get((job, frame), 0) + 1

    @rule(choice=st.integers(0, 5), command=st.sampled_from(["cancel", "pause", "resume", "reset"]))
    def command(self, choice: int, command: str) -> None:
        jobs = sorted(self.farm.jobs)
        try:
            job = jobs[choice % len(jobs)] if jobs else "0" * 16
            self.under_test.feed(e.JobCommanded, job=job, command=command)
        except (ConflictError, NotFoundError):
            pass

    @invariant()
    def frames_and_leases_agree(self) -> None:
        held: dict[tuple[str, int], int] = {}
        for lease in self.farm.leases.values():
            assert lease.frames, "a lease ends with its last frame"
            assert lease.id in self.farm.slaves[lease.slave].leases and lease.id in self.farm.jobs[lease.job].leases
            for frame in lease.frames:
                held[lease.job, frame] = held.get((lease.job, frame), 0) + 1
        assert all(times == 1 for times in held.values()), "a frame is in one lease"
        dispatched = {
            (job.id, frame) for job in self.farm.jobs.values() for frame in job.frames.in_state(FrameState.DISPATCHED)
        }
        assert dispatched == set(held)

    @invariant()
    def a_result_is_taken_once(self) -> None:
        assert all(times == 1 for times in self.done.values())
        done = {(job.id, f) for job in self.farm.jobs.values() for f in job.frames.in_state(FrameState.DONE)}
        assert done == set(self.done)

    @invariant()
    def ended_jobs_hold_nothing(self) -> None:
        for job in self.farm.jobs.values():
            if job.state in ENDED:
                assert not job.leases

    @invariant()
    def no_slave_is_idle_while_there_is_work_for_it(self) -> None:
        connected = self.farm.connected()
        for job in self.farm.jobs.values():
            queued = job.frames.in_state(FrameState.QUEUED) if job.ready else []
            for frame in queued:
                failed = [frame in job.failed_on.get(slave.id, ()) for slave in connected]
                for slave, failed_here in zip(connected, failed, strict=True):
                    # A frame that failed here waits for a slave that has not tried it, if there is one.
                    assert slave.leases or (failed_here and not all(failed))

    def teardown(self) -> None:
        """Every job ends, if its frames are rendered from here on."""
        self.under_test.join("a", holding=())
        for job in list(self.farm.jobs.values()):
            if job.state is JobState.PAUSED:
                self.under_test.feed(e.JobCommanded, job=job.id, command="resume")
        while self.farm.leases:
            lease = next(iter(self.farm.leases.values()))
            self.under_test.done(lease.id, min(lease.frames))
        assert all(job.state in ENDED for job in self.farm.jobs.values())


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
