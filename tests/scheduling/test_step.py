"""Events in, decisions out."""

import pytest
from attrs import evolve

from coordinator.constants import FRAME_ATTEMPTS
from coordinator.errors import ConflictError, NotFoundError, StaleLeaseError
from coordinator.protocol.frames import FrameRange
from coordinator.protocol.jobs import File, Manifest
from coordinator.protocol.messages import Held
from coordinator.protocol.states import FrameState, JobState
from coordinator.scheduling import events as e

from .farms import BLOB, FarmUnderTest, granted, job_moves, manifest, moves

F, J = FrameState, JobState


@pytest.fixture
def farm() -> FarmUnderTest:
    return FarmUnderTest()


def test_a_job_runs_from_its_announcement_to_its_end(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = manifest("1-2", chunk=2)
    decisions = farm.feed(e.JobAnnounced, manifest=job, missing=frozenset())
    assert granted(decisions) == [("a", (1, 2))]
    assert moves(decisions) == [(1, F.DISPATCHED), (2, F.DISPATCHED)]
    assert moves(farm.done(1, 1)) == [(1, F.DONE)]
    last = farm.done(1, 2)
    assert moves(last) == [(2, F.DONE)] and job_moves(last) == [J.FINISHED]
    done = farm.farm.jobs[job.id]
    assert done.state is J.FINISHED and done.reason == "all frames are done" and done.done_by == {"a": 2}
    assert not farm.farm.leases and not farm.farm.slaves["a"].leases


def test_announcing_twice_is_announcing_once(farm: FarmUnderTest) -> None:
    farm.job(manifest())
    assert farm.feed(e.JobAnnounced, manifest=manifest(), missing=frozenset()) == []
    assert len(farm.farm.jobs) == 1


def test_a_job_waits_for_its_files_and_then_goes_by_itself(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest(), frozenset({BLOB}))
    assert job.state is J.WAITING and job.reason == "waits for 1 file" and not farm.grants
    decisions = farm.feed(e.BlobsArrived, blobs=frozenset({BLOB}))
    assert granted(decisions) == [("a", (1,))] and job_moves(decisions)[0] is J.QUEUED


def test_the_next_chunk_comes_when_the_last_frame_starts(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1-6", chunk=2))
    assert granted(farm.start(1, 1)) == []
    assert granted(farm.start(1, 2)) == [("a", (3, 4))]


def test_the_last_frames_go_to_who_is_idle(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.join("b")
    farm.job(manifest("1-3"))
    assert granted(farm.start(1, 1)) == [], "one frame is left and b may be free sooner"
    farm.start(2, 2)
    assert granted(farm.done(2, 2)) == [("b", (3,))]


def test_the_oldest_job_goes_first(farm: FarmUnderTest) -> None:
    farm.job(manifest("1-2", chunk=2, name="old"))
    farm.job(manifest("1-2", chunk=2, name="new"))
    farm.join("a")
    farm.join("b")
    assert [farm.farm.jobs[g.job].manifest.name for g in farm.grants.values()] == ["old", "new"]


def test_frames_of_a_lost_slave_go_to_another_at_once(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1-3", chunk=3))
    farm.done(1, 1)
    decisions = farm.feed(e.SlaveLeft, slave="a", reason="its connection closed")
    assert (2, F.QUEUED) in moves(decisions) and (3, F.QUEUED) in moves(decisions)
    assert granted(farm.join("b")) == [("b", (2, 3))]
    with pytest.raises(StaleLeaseError):
        farm.done(1, 2)
    assert farm.farm.jobs[manifest("1-3", chunk=3).id].frames.state(2) is F.DISPATCHED


def test_a_failed_frame_goes_to_another_slave(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1"))
    farm.join("b")
    assert granted(farm.fail(1, 1)) == [("b", (1,))]


def test_a_failed_frame_goes_to_the_same_slave_if_there_is_no_other(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1"))
    assert granted(farm.fail(1, 1)) == [("a", (1,))]


def test_a_frame_that_failed_on_every_slave_is_tried_again(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1"))
    farm.join("b")
    assert granted(farm.fail(1, 1)) == [("b", (1,))]
    assert len(granted(farm.fail(2, 1))) == 1, "there is nobody who has not failed it"


def test_a_frame_that_fails_too_often_is_an_error_and_the_job_ends(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1-2"))
    farm.done(1, 1)
    for attempt in range(FRAME_ATTEMPTS):
        decisions = farm.fail(2 + attempt, 2, "no memory")
    assert moves(decisions) == [(2, F.ERROR)]
    assert job.state is J.FINISHED and job.reason == "1 of 2 frames failed"


def test_reset_brings_error_frames_back(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1"))
    for lease in range(1, FRAME_ATTEMPTS + 1):
        farm.fail(lease, 1)
    decisions = farm.feed(e.JobCommanded, job=job.id, command="reset")
    assert moves(decisions)[0] == (1, F.QUEUED) and granted(decisions) == [("a", (1,))]
    assert job.state is J.QUEUED and job.finished is None


def test_cancel_revokes_leases_and_keeps_what_is_done(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1-3", chunk=3))
    farm.done(1, 1)
    decisions = farm.feed(e.JobCommanded, job=job.id, command="cancel")
    assert [d.lease for d in decisions if isinstance(d, e.Revoked)] == [1]
    assert job.state is J.CANCELLED and job.frames.counts.done == 1 and job.frames.counts.queued == 2
    with pytest.raises(StaleLeaseError):
        farm.done(1, 2)
    assert granted(farm.feed(e.JobCommanded, job=job.id, command="reset")) == [("a", (2, 3))]


def test_pause_lets_what_renders_end_and_resume_goes_on(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1-2"))
    farm.feed(e.JobCommanded, job=job.id, command="pause")
    assert granted(farm.done(1, 1)) == [] and job.state is J.PAUSED
    assert granted(farm.feed(e.JobCommanded, job=job.id, command="resume")) == [("a", (2,))]


def test_a_paused_job_ends_when_its_last_frame_comes(farm: FarmUnderTest) -> None:
    farm.join("a")
    job = farm.job(manifest("1"))
    farm.feed(e.JobCommanded, job=job.id, command="pause")
    farm.done(1, 1)
    assert job.state is J.FINISHED


@pytest.mark.parametrize("command", ["resume", "reset"])
def test_a_command_that_does_not_fit_changes_nothing(farm: FarmUnderTest, command: str) -> None:
    job = farm.job(manifest())
    with pytest.raises(ConflictError, match=job.id):
        farm.feed(e.JobCommanded, job=job.id, command=command)
    assert job.state is J.QUEUED


def test_an_ended_job_cannot_be_cancelled_or_paused(farm: FarmUnderTest) -> None:
    job = farm.job(manifest())
    farm.feed(e.JobCommanded, job=job.id, command="cancel")
    for command in ("cancel", "pause"):
        with pytest.raises(ConflictError):
            farm.feed(e.JobCommanded, job=job.id, command=command)


def test_commands_for_jobs_that_are_not_there(farm: FarmUnderTest) -> None:
    with pytest.raises(NotFoundError, match="0123456789abcdef"):
        farm.feed(e.JobCommanded, job="0123456789abcdef", command="cancel")


def test_leases_live_on_for_a_slave_that_comes_back_with_them(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1-4", chunk=2))
    farm.start(1, 1)
    farm.start(1, 2)  # lease 2 comes
    decisions = farm.join("a", holding=(Held(lease=2, frames=(1, 3)), Held(lease=99, frames=(7,))))
    assert moves(decisions)[:3] == [(1, F.QUEUED), (2, F.QUEUED), (4, F.QUEUED)], "what it does not hold any more"
    revoked = [(d.lease, d.frames) for d in decisions if isinstance(d, e.Revoked)]
    assert revoked == [(2, (1,)), (99, ())], "frame 1 was not of lease 2, and 99 was never ours"
    assert moves(farm.done(2, 3))[0] == (3, F.DONE)


def test_leases_end_when_their_slave_does_not_come_back_in_time(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1"))
    farm.farm.slaves["a"].connected = False  # as after a restart of the coordinator
    farm.join("b")
    assert granted(farm.feed(e.GraceEnded)) == [("b", (1,))]


@pytest.mark.parametrize(
    ("slave", "lease", "frame"), [("b", 1, 1), ("a", 2, 1), ("a", 1, 2), ("nobody", 1, 1), ("a", 0, 1)]
)
def test_results_that_are_not_the_senders_change_nothing(
    farm: FarmUnderTest, slave: str, lease: int, frame: int
) -> None:
    farm.join("a")
    job = farm.job(manifest("1-2"))
    farm.join("b")
    with pytest.raises(StaleLeaseError):
        farm.feed(e.FrameDone, slave=slave, lease=lease, job=job.id, frame=frame, seconds=1.0, sha256=BLOB, size=1)
    assert job.frames.counts.done == 0


def test_a_job_stays_with_one_blender(farm: FarmUnderTest) -> None:
    farm.join("old", blender="4.2.3")
    job = farm.job(manifest("1-4"))
    assert granted(farm.join("new", blender="5.0.1")) == [] and job.blender == "4.2"
    assert granted(farm.join("same", blender="4.2.9")) == [("same", (2,))]


def test_a_file_goes_to_no_older_blender_than_it_needs(farm: FarmUnderTest) -> None:
    farm.job(manifest(blender="4.5"))
    assert granted(farm.join("old", blender="4.2.3")) == []
    assert granted(farm.join("new", blender="4.10.0")) == [("new", (1,))], "4.10 is later than 4.5"


def test_a_job_that_needs_a_denoiser_goes_to_who_has_one(farm: FarmUnderTest) -> None:
    farm.job(manifest(features=("denoiser",)))
    assert granted(farm.join("without")) == []
    assert granted(farm.join("with", features=("denoiser",))) == [("with", (1,))]


def test_automatic_chunks_grow_with_fast_frames_and_shrink_at_the_end(farm: FarmUnderTest) -> None:
    farm.join("a")
    farm.job(manifest("1-100", chunk=0))
    farm.start(1, 1)  # the next one, of one frame too, as nothing is measured
    farm.done(1, 1, seconds=0.5)
    sizes, lease = [], 2
    while lease in farm.grants:
        frames = farm.grants[lease].frames
        sizes.append(len(frames))
        for frame in frames:
            farm.done(lease, frame, seconds=0.5)
        lease += 1
    assert max(sizes) <= 60, "30 s of frames of half a second"
    assert sizes[1] > 10 and sizes[-1] == 1 and sum(sizes) == 99
    assert sorted(sizes[1:], reverse=True) == sizes[1:]


def caches(frames: str = "1-4", *, common: str = BLOB) -> Manifest:
    """A job whose frames each need a file of their own."""
    own = [File(path=f"cache_{n}.vdb", sha256=f"{n:064}", size=1, frames=str(n)) for n in FrameRange.parse(frames)]
    return evolve(manifest(frames), files=(File(path="scene.blend", sha256=common, size=1), *own))


def test_frames_begin_as_soon_as_their_files_are_there() -> None:
    farm = FarmUnderTest()
    farm.join("anna")
    farm.job(caches(), missing=frozenset({BLOB, *(f"{n:064}" for n in (1, 2, 3, 4))}))
    early = farm.feed(e.BlobsArrived, blobs=frozenset({f"{3:064}"}))
    assert (job_moves(early), granted(early)) == ([], []), "the scene is not there"
    decisions = farm.feed(e.BlobsArrived, blobs=frozenset({BLOB}))
    assert granted(decisions) == [("anna", (3,))] and JobState.QUEUED in job_moves(decisions)
    farm.start(1, 3)
    decisions = farm.done(1, 3)
    assert (granted(decisions), job_moves(decisions)) == ([], []), "the others wait"
    assert granted(farm.feed(e.BlobsArrived, blobs=frozenset({f"{1:064}", f"{2:064}"}))) == [("anna", (1,))]
    assert granted(farm.start(2, 1) + farm.done(2, 1)) == [("anna", (2,))]
    assert granted(farm.start(3, 2) + farm.done(3, 2)) == []
    assert granted(farm.feed(e.BlobsArrived, blobs=frozenset({f"{4:064}"}))) == [("anna", (4,))]
    assert job_moves(farm.start(4, 4) + farm.done(4, 4)) == [JobState.FINISHED]


def test_a_reset_job_waits_again_for_what_is_gone() -> None:
    farm = FarmUnderTest()
    job = farm.job(caches("1-2"))
    farm.feed(e.JobCommanded, job=job.id, command="cancel")
    farm.feed(e.JobCommanded, job=job.id, command="reset", missing=frozenset({f"{1:064}"}))
    assert job.state is JobState.QUEUED
    assert granted(farm.join("anna")) == [("anna", (2,))]
