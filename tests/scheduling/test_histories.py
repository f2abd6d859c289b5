"""Random histories of events: what must hold whatever happens."""

from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coordinator.errors import ConflictError, NotFoundError, StaleLeaseError
from coordinator.protocol.frames import FrameRange
from coordinator.protocol.jobs import JobChanges
from coordinator.protocol.messages import Held
from coordinator.protocol.states import ENDED, Fault, FrameOrder, FrameState, JobState
from coordinator.scheduling import events as e
from coordinator.scheduling import explain

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

    @rule(
        frames=st.integers(1, 6),
        chunk=st.integers(0, 3),
        order=st.sampled_from(FrameOrder),
        priority=st.integers(1, 3),
        most=st.integers(0, 2),
        after=st.integers(0, 3),
        only=st.sampled_from([(), ("a",), ("b", "c")]),
        tags=st.sampled_from([(), ("big",)]),
    )
    def announce(
        self,
        frames: int,
        chunk: int,
        order: FrameOrder,
        priority: int,
        most: int,
        after: int,
        only: tuple[str, ...],
        tags: tuple[str, ...],
    ) -> None:
        jobs = sorted(self.farm.jobs)
        wanted = manifest(
            str(FrameRange.between(1, frames)),
            chunk=chunk,
            order=order,
            priority=priority,
            max_slaves=most,
            after=tuple(jobs[:1]) if after == 3 else (),
            only_slaves=only,
            tags=tags,
        )
        self.under_test.job(wanted)

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0, 200.0, 2000.0]))
    def pass_time(self, seconds: float) -> None:
        self.under_test.now += seconds
        self.under_test.feed(e.Tick)

    @rule(choice=st.integers(0, 5), priority=st.integers(1, 3), most=st.integers(0, 2))
    def change(self, choice: int, priority: int, most: int) -> None:
        if jobs := sorted(self.farm.jobs):
            wish = JobChanges(priority=priority, max_slaves=most)
            self.under_test.feed(e.JobChanged, job=jobs[choice % len(jobs)], changes=wish)

    @rule(slave=SLAVES)
    def heal(self, slave: str) -> None:
        if slave in self.farm.slaves:
            self.under_test.feed(e.SlaveHealed, slave=slave)

    @rule(slave=SLAVES, keeps=st.sampled_from(["none", "odd", "even", "all"]))
    def join(self, slave: str, keeps: str) -> None:
        """It comes back with all that it holds, or with some."""
        kept = {"none": (), "odd": (1,), "even": (0,), "all": (0, 1)}[keeps]
        numbers = self.farm.slaves[slave].leases if slave in self.farm.slaves else []
        leases = [self.farm.leases[number] for number in numbers]
        holding = [Held(lease=one.id, frames=tuple(f for f in one.frames if f % 2 in kept)) for one in leases]
        self.under_test.join(slave, holding=tuple(holding), tags=("big",) if slave != "c" else ())

    @rule(slave=SLAVES, keeps=st.sampled_from(["none", "odd", "all"]), with_job=st.booleans())
    def set_aside(self, slave: str, keeps: str, with_job: bool) -> None:
        """Its machine can render nothing; some of what it was leased is rendered."""
        if slave not in self.farm.online:
            return
        leases = [self.farm.leases[number] for number in self.farm.slaves[slave].leases]
        job = leases[0].job if leases and with_job else ""
        before = {one.id: dict(one.attempts) for one in self.farm.jobs.values()}
        kept = {"none": (), "odd": (1,), "all": (0, 1)}[keeps]
        holding = [Held(lease=one.id, frames=tuple(f for f in one.frames if f % 2 in kept)) for one in leases]
        self.under_test.feed(e.SlaveAside, slave=slave, reason="full", job=job, holding=tuple(holding))
        assert before == {one.id: dict(one.attempts) for one in self.farm.jobs.values()}, "no frame is blamed"
        left = {number: self.farm.leases[number].frames for number in self.farm.slaves[slave].leases}
        assert left == {held.lease: set(held.frames) for held in holding if held.frames}

    @rule(slave=SLAVES)
    def recover(self, slave: str) -> None:
        if slave in self.farm.online:
            self.under_test.feed(e.SlaveFit, slave=slave)

    @rule(choice=st.integers(0, 5))
    def cannot_render(self, choice: int) -> None:
        """A machine lacks what the job needs, or the memory for a frame."""
        if (found := self.some_lease(choice)) is None:
            return
        job = self.farm.jobs[self.under_test.grants[found[0]].job]
        before = dict(job.attempts)
        try:
            self.under_test.fail(*found, fault=Fault.JOB)
        except StaleLeaseError:
            return
        assert job.attempts == before, "no frame is blamed"

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
            job = self.farm.jobs[lease.job]
            assert lease.unstarted <= lease.frames and job.users[lease.slave] > 0
            assert lease.frames, "a lease ends with its last frame"
            assert lease.id in self.farm.slaves[lease.slave].leases and lease.id in self.farm.jobs[lease.job].leases
            for frame in lease.frames:
                held[lease.job, frame] = held.get((lease.job, frame), 0) + 1
        twice = {(job.id, frame): 2 for job in self.farm.jobs.values() for frame in job.twice}
        assert held == dict.fromkeys(held, 1) | twice, "a frame is in one lease, or in two as a straggler"
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
        for job in self.farm.jobs.values():
            if not job.ready or job.full:
                continue
            able = [slave for slave in self.farm.connected() if self.farm.would_render(slave, job)]
            for frame in job.frames.in_state(FrameState.QUEUED):
                failed = {slave.id: frame in job.failed_on.get(slave.id, ()) for slave in able}
                for slave in able:
                    # A frame that failed here waits for a slave that has not tried it, if there is one.
                    assert slave.leases or (failed[slave.id] and not all(failed.values()))

    @invariant()
    def who_cannot_render_is_barred_and_who_is_set_aside_gets_nothing(self) -> None:
        for job in self.farm.jobs.values():
            assert job.unable.keys() <= job.barred.keys()
            assert not any(self.farm.would_render(self.farm.slaves[slave], job) for slave in job.barred)
        for slave in self.farm.slaves.values():
            assert not slave.aside or (slave.id not in self.farm.hungry and not slave.well)

    @invariant()
    def the_ranking_has_every_job_with_work(self) -> None:
        ranking = self.farm.ranking
        ready = {job.id: job.frames.queued for job in self.farm.jobs.values() if job.ready and not job.full}
        ranked = [entry[3] for group in ranking.groups.values() for entry in group.entries]
        assert sorted(ranked) == sorted(ready) and ranking.frames == sum(ready.values())
        assert all(group.entries == sorted(group.entries) for group in ranking.groups.values())

    @invariant()
    def nobody_begins_to_go_first_unnoticed(self) -> None:
        ranking, policy = self.farm.ranking, self.farm.policy
        waiting = [self.farm.jobs[number] for g in ranking.groups.values() for last, _, _, number in g.entries if last]
        assert ranking.soonest <= min((ranking.starves(job, policy) for job in waiting), default=inf)

    @invariant()
    def hungry_slaves_can_take_work(self) -> None:
        for slave in self.farm.slaves.values():
            unstarted = any(self.farm.leases[lease].unstarted for lease in slave.leases)
            hungry = slave.connected and slave.sick_since is None and not slave.aside and not unstarted
            assert (slave.id in self.farm.hungry) == hungry
            assert (slave.id in self.farm.online) == slave.connected

    @invariant()
    def explanations_are_true(self) -> None:
        for job in self.farm.jobs.values():
            codes = {fact.code for fact in explain.job(self.farm, job).facts}
            assert codes, "there is always something to say"
            assert ("ended" in codes) == (job.state in ENDED)
            assert ("paused" in codes) == (job.state is JobState.PAUSED)
            assert ("waiting" in codes) == (job.state is JobState.WAITING)
            assert ("rendering" in codes) == bool(job.leases)
            queued = job.state is JobState.QUEUED and job.frames.queued > 0
            able = [slave for slave in self.farm.connected() if self.farm.may_render(slave, job)]
            assert ("full" in codes) == (queued and job.full)
            assert ("unfit" in codes) == (queued and 0 < len(self.farm.online) != len(able))
            unable = [slave for slave in able if slave.id in job.unable]
            barred = [slave for slave in able if slave.id in job.barred and slave not in unable]
            assert ("unable" in codes) == (queued and bool(unable))
            assert ("barred" in codes) == (queued and bool(barred))
            assert ("aside" in codes) == (queued and any(slave.aside for slave in able))
            if queued and not job.leases and able and all(slave.aside for slave in able):
                assert "set aside" in job.reason or "to come back" in job.reason, job.reason
            if queued and not job.leases and "failed" not in codes:
                assert codes & {"no-slave", "unfit", "barred", "unable", "sick", "aside", "behind", "first", "next"}, (
                    codes
                )
        for slave in self.farm.slaves.values():
            codes = {fact.code for fact in explain.slave(self.farm, slave).facts}
            assert codes and ("away" in codes) == (not slave.connected)
            assert ("rendering" in codes) == (slave.connected and bool(slave.leases))
            assert ("aside" in codes) == (slave.connected and bool(slave.aside))
            assert ("sick" in codes) == (slave.connected and slave.sick_since is not None)

    def teardown(self) -> None:
        """Every job ends, or says what it waits for, if its frames are rendered from here on."""
        for slave in "abc":
            self.join(slave, keeps="none")
            self.heal(slave)
        for job in list(self.farm.jobs.values()):
            if job.state is JobState.PAUSED:
                self.under_test.feed(e.JobCommanded, job=job.id, command="resume")
        while self.farm.leases:
            lease = next(iter(self.farm.leases.values()))
            self.under_test.done(lease.id, min(lease.frames))
        for job in self.farm.jobs.values():
            if job.state is JobState.WAITING:
                assert "cancelled" in job.reason or "errors" in job.reason or "waits for job" in job.reason, job.reason
            else:
                assert job.state in ENDED, job.reason


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
