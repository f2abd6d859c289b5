"""The slave's WebSocket and the event stream."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import attrs
import pytest

from coordinator import __version__
from coordinator.constants import PROTOCOL_VERSION, STALL_BLIND
from coordinator.protocol import codec, messages
from coordinator.protocol.jobs import FrameInfo, SlaveInfo
from coordinator.protocol.states import Fault, JobState
from coordinator.server.watchers import Watchers

from ..coordinators import RunningCoordinator
from ..slaves import Answer, FakeSlave, held, slave_id
from ..submissions import announce, job_info, manifest, submit
from ..watching import watching


@asynccontextmanager
async def silent(url: str) -> AsyncIterator[FakeSlave]:
    """A slave that is connected and has said nothing yet."""
    slave = FakeSlave(url)
    await slave.connect()
    try:
        yield slave
    finally:
        await slave.close()


async def slaves(http: aiohttp.ClientSession) -> list[SlaveInfo]:
    async with http.get("/api/slaves") as response:
        found: list[SlaveInfo] = codec.loads(await response.read(), list[SlaveInfo])
    return found


# --- hello ------------------------------------------------------------------------------------------------------------


async def test_hello_is_answered_by_welcome(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    async with FakeSlave(coordinator.url, "anna", features=("denoiser",)) as anna:
        assert anna.welcome == messages.Welcome(protocol=PROTOCOL_VERSION, netrender=__version__)
        (info,) = await slaves(http)
        assert (info.id, info.name, info.host, info.blender) == (slave_id("anna"), "anna", "anna.local", "4.5.15")
        assert (info.threads, info.features, info.connected) == (2, ("denoiser",), True)
        assert (info.job, info.frame) == ("", None)


async def test_another_protocol_is_refused_by_both_versions(coordinator: RunningCoordinator) -> None:
    async with silent(coordinator.url) as slave:
        # Of the future's hello we know only these three fields.
        await slave.socket.send_str(
            json.dumps({"type": "hello", "protocol": 99, "netrender": "9.9", "unheard_of": True})
        )
        refused = await slave.receive(messages.Refused)
        assert refused.code == "version-mismatch"
        assert f"(Netrender {__version__}) speaks protocol {PROTOCOL_VERSION}" in refused.message
        assert "(Netrender 9.9) speaks protocol 99" in refused.message
        assert await slave.next() is None, "the connection ends"


HELLO = codec.unstructure(FakeSlave("").hello, messages.FromSlave)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("{", "not JSON"),
        ("[]", "type"),
        ('{"type": "dance"}', "'dance'"),
        ('{"type": "goodbye"}', "hello"),
        (json.dumps(HELLO | {"colour": "red"}), "colour"),
        (json.dumps(HELLO | {"threads": 0}), "threads"),
        (json.dumps(HELLO | {"threads": 10**30}), "threads"),
        (json.dumps(HELLO | {"blender": "new"}), "blender"),
        (json.dumps(HELLO | {"blender": "9" * 5000 + ".1.1"}), "blender"),
        (json.dumps(HELLO | {"holding": [{"lease": "1", "frames": []}]}), "holding[0].lease"),
        (json.dumps(HELLO | {"slave": "anna"}), "slave"),
        (b"bytes", "bytes"),
    ],
)
async def test_who_does_not_say_hello_is_refused(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator, said: str | bytes, named: str
) -> None:
    async with silent(coordinator.url) as slave:
        await (slave.socket.send_str(said) if isinstance(said, str) else slave.socket.send_bytes(said))
        refused = await slave.receive(messages.Refused)
        assert refused.code == "bad-request" and named in refused.message
        assert await slave.next() is None
    assert await slaves(http) == []


async def test_a_request_that_is_no_websocket(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/slave") as response:
        assert response.status == 400 and (await response.json())["code"] == "bad-request"


@pytest.mark.parametrize("said", ["{", '{"type": "started"}', json.dumps(HELLO), b"bytes"])
async def test_garbage_ends_the_connection_and_frees_the_frames(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator, said: str | bytes
) -> None:
    job = await submit(http)
    async with watching(http, job) as events, FakeSlave(coordinator.url) as anna:
        await anna.work()
        await (anna.socket.send_str(said) if isinstance(said, str) else anna.socket.send_bytes(said))
        assert (await anna.receive(messages.Refused)).code == "bad-request"
        assert "anna was lost: it said" in (await events.until(messages.FrameQueued)).reason
    assert (await job_info(http, job)).counts.queued == 4


# --- work -------------------------------------------------------------------------------------------------------------


async def test_work_is_pushed_when_a_job_comes(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    async with FakeSlave(coordinator.url) as anna:
        job = await submit(http)
        work = messages.Work(lease=1, job=job, frames=(1, 2), scene=manifest().scene, stall=STALL_BLIND)
        assert await anna.work() == work


async def test_work_waits_for_the_files(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    async with FakeSlave(coordinator.url) as anna:
        waiting = await announce(http, manifest(files={"a.blend": b"not sent"}))
        job = await submit(http)
        assert (await anna.work()).job == job != waiting.id


async def test_the_next_chunk_comes_when_the_last_frame_starts(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    job = await submit(http, manifest("1-6"))
    async with watching(http, job) as events, FakeSlave(coordinator.url) as anna:
        first = await anna.work()
        await anna.started(first, 1)
        await events.until(messages.FrameStarted, frame=1)
        assert (await job_info(http, job)).counts.dispatched == 2, "not yet"
        await anna.started(first, 2)
        second = await anna.work()
        assert second.frames == (3, 4) and second.lease > first.lease
        assert (await slaves(http))[0].frame == 2


async def test_an_older_blender_gets_nothing_of_a_newer_file(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    async with FakeSlave(coordinator.url, "old", blender="4.2.0") as old:
        newer = await submit(http, manifest(name="newer", blender="4.5"))
        fitting = await submit(http, manifest(name="fitting", blender="4.2"))
        assert (await old.work()).job == fitting
        assert (await job_info(http, newer)).counts.queued == 4


async def test_a_job_stays_with_the_blender_that_began_it(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    job = await submit(http)
    async with FakeSlave(coordinator.url, "anna", blender="4.5.1") as anna:
        await anna.work()
        assert (await job_info(http, job)).blender == "4.5"
        async with (
            FakeSlave(coordinator.url, "bert", blender="5.0.1"),
            FakeSlave(coordinator.url, "carl", blender="4.5.15") as carl,
        ):
            assert (await carl.work()).frames == (3, 4), "bert was there first, but would render it differently"


async def test_cancel_is_pushed(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    job = await submit(http)
    async with FakeSlave(coordinator.url) as anna:
        work = await anna.work()
        async with http.post(f"/api/jobs/{job}/cancel") as response:
            assert response.status == 200
        assert await anna.receive(messages.Cancel) == messages.Cancel(lease=work.lease, reason="the job was cancelled")


async def test_what_was_said_under_a_revoked_lease_is_ignored(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    job = await submit(http)
    async with FakeSlave(coordinator.url) as anna:
        work = await anna.work()
        await http.post(f"/api/jobs/{job}/cancel")
        await anna.receive(messages.Cancel)
        await anna.started(work, 1)
        await anna.failed(work, 1)
        await anna.send(messages.Progress(lease=work.lease, frame=1, sample=1, samples=2))
        # It is still served, so it was not taken amiss.
        other = await submit(http, manifest(name="other"))
        assert (await anna.work()).job == other
    info = await job_info(http, job)
    assert (info.state, info.counts.queued) == (JobState.CANCELLED, 4)


async def test_a_paused_job_gives_nothing_out(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    job = await submit(http)
    async with FakeSlave(coordinator.url) as anna:
        work = await anna.work()
        await http.post(f"/api/jobs/{job}/pause")
        await anna.render(work)
        assert (await job_info(http, job)).counts.dispatched == 0
        await http.post(f"/api/jobs/{job}/resume")
        assert (await anna.work()).frames == (3, 4)


# --- the end of a connection ------------------------------------------------------------------------------------------


async def test_a_lost_slaves_frames_go_to_another_at_once(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    await submit(http, manifest("1-2"))
    async with FakeSlave(coordinator.url, "bert") as bert:
        theirs = await bert.work()
        async with FakeSlave(coordinator.url, "anna") as anna:
            await bert.close()
            ours = await anna.work()
            assert ours.frames == theirs.frames == (1, 2) and ours.lease != theirs.lease
            await bert.connect()
            assert (await bert.put_result(theirs, 1)).code == "stale-lease"
            assert await anna.put_result(ours, 1) == Answer(204)


async def test_a_connection_that_is_torn(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    job = await submit(http)
    async with watching(http, job) as events, FakeSlave(coordinator.url) as anna:
        await anna.work()
        anna.tear()
        assert {(await events.until(messages.FrameQueued)).frame for _ in range(2)} == {1, 2}
    assert (await slaves(http))[0].connected is False


async def test_a_slave_that_is_silent_is_lost(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.server.streams.PING_INTERVAL", 0.5)
    job = await submit(http)
    anna = FakeSlave(coordinator.url)
    async with watching(http, job) as events:
        await anna.connect(pongs=False)
        await anna.send(anna.hello)
        assert "anna was lost" in (await events.until(messages.FrameQueued)).reason
    await anna.close()


async def test_goodbye_frees_the_frames_at_once(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    job = await submit(http)
    async with watching(http, job) as events, FakeSlave(coordinator.url) as anna:
        await anna.work()
        await anna.send(messages.Goodbye(reason="lunch"))
        assert (await events.until(messages.FrameQueued, frame=1)).reason == "anna was lost: lunch"
        assert await anna.next() is None
    (info,) = await slaves(http)
    assert not info.connected


async def test_a_slave_that_connects_again_takes_over(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    await submit(http)
    async with FakeSlave(coordinator.url, "anna") as old:
        work = await old.work()
        async with FakeSlave(coordinator.url, "anna", holding=(held(work),)) as new:
            assert (await old.receive(messages.Refused)).code == "conflict"
            assert await old.next() is None
            assert len(await slaves(http)) == 1 and (await slaves(http))[0].connected
            assert await new.put_result(work, 1) == Answer(204), "the lease lives on"


async def test_a_slave_that_lost_its_lease_gets_the_frames_anew(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    await submit(http)
    async with FakeSlave(coordinator.url, "anna") as old:
        work = await old.work()
        async with FakeSlave(coordinator.url, "anna") as new:  # it holds nothing any more: its disk was wiped, say
            again = await new.work()
            assert again.frames == work.frames and again.lease > work.lease


async def test_a_lease_that_nobody_knows_is_cancelled(coordinator: RunningCoordinator) -> None:
    async with FakeSlave(coordinator.url, holding=(messages.Held(lease=77, frames=(1,)),)) as anna:
        assert (await anna.receive(messages.Cancel)).lease == 77


# --- events -----------------------------------------------------------------------------------------------------------


async def test_events_tell_a_frames_life_in_order(http: aiohttp.ClientSession, coordinator: RunningCoordinator) -> None:
    job = await submit(http, manifest("5"))
    async with watching(http, job) as events:
        first = await events.next()
        assert isinstance(first, messages.JobChanged) and first.job.id == job
        async with FakeSlave(coordinator.url) as anna:
            work = await anna.work()
            await anna.started(work, 5)
            await anna.send(messages.Progress(lease=work.lease, frame=5, sample=3, samples=8))
            assert isinstance(await events.next(), messages.JobChanged), "pinned to a Blender"
            assert await events.next() == messages.FrameDispatched(job=job, frame=5, slave="anna")
            assert await events.next() == messages.FrameStarted(job=job, frame=5, slave="anna")
            assert await events.next() == messages.FrameProgress(job=job, frame=5, slave="anna", sample=3, samples=8)
            await anna.put_result(work, 5, b"pixels", seconds=0.5)
            done = await events.next()
            assert isinstance(done, messages.FrameDone)
            assert (done.frame, done.slave, done.seconds, done.size) == (5, "anna", 0.5, 6)
            last = await events.next()
            assert isinstance(last, messages.JobChanged) and last.job.state is JobState.FINISHED


async def test_a_new_stream_begins_with_every_job(http: aiohttp.ClientSession) -> None:
    ids = [await submit(http, manifest(name=name)) for name in "abc"]
    async with watching(http) as events:
        seen = [await events.next() for _ in ids]
        assert [event.job.id for event in seen if isinstance(event, messages.JobChanged)] == ids


async def test_a_stream_of_one_job_tells_of_no_other(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    mine, other = await submit(http, manifest(name="mine")), await submit(http, manifest(name="other"))
    async with watching(http, mine) as events, watching(http) as everything, FakeSlave(coordinator.url):
        await http.post(f"/api/jobs/{other}/cancel")
        await http.post(f"/api/jobs/{mine}/cancel")
        seen = []
        while not (isinstance(event := await events.next(), messages.JobChanged) and event.job.state == "cancelled"):
            seen.append(event)
        assert event.job.id == mine
        assert not [e for e in seen if isinstance(e, messages.SlaveChanged)]
        assert {e.job.id if isinstance(e, messages.JobChanged) else getattr(e, "job", "") for e in seen} == {mine}
        assert (await everything.until(messages.SlaveChanged)).slave.name == "anna"


async def test_events_of_a_job_that_is_not_there(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/events", params={"job": "0" * 16}) as response:
        assert response.status == 404


async def test_a_silent_stream_is_kept_alive(http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.server.streams.EVENT_KEEPALIVE", 0.05)
    async with http.get("/api/events") as response:
        assert await response.content.readline() == b": still here\n"


async def test_two_watchers_see_the_same(http: aiohttp.ClientSession) -> None:
    async with watching(http) as one, watching(http) as two:
        await submit(http)
        for events in (one, two):
            states = [(await events.until(messages.JobChanged)).job.state for _ in range(2)]
            assert states == [JobState.WAITING, JobState.QUEUED]


async def test_a_watcher_that_is_too_far_behind_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.server.watchers.QUEUE_LIMIT", 3)
    watchers = Watchers()
    slow, other = watchers.add(None), watchers.add("other")
    for size in range(5):
        watchers.tell(messages.LogAppended(job="job", frame=1, size=size))
    assert slow.queue.get_nowait() is not None, "what it has it may still read"
    assert [slow.queue.get_nowait() is None for _ in range(slow.queue.qsize())] == [False, True]
    assert other.queue.empty()


# --- machines that cannot render --------------------------------------------------------------------------------------


async def test_a_slave_is_set_aside_and_fit_again_and_no_frame_is_blamed(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    job = await submit(http, manifest("1-3", chunk=3))
    async with FakeSlave(coordinator.url, "anna") as anna, watching(http) as events:
        work = await anna.work()
        await anna.started(work, 1)
        await anna.started(work, 2)
        held_back = messages.Held(lease=work.lease, frames=(1,))
        await anna.send(messages.Aside(reason="the disk is full", job=job, holding=(held_back,)))
        changed = await events.until(messages.SlaveChanged)
        assert changed.slave.aside == "the disk is full" and changed.slave.frame is None
        queued = await events.until(messages.FrameQueued, frame=3)
        assert queued.reason == "anna was set aside: the disk is full"
        assert (await anna.put_result(work, 1)).status == 204, "what it had rendered is taken"
        assert (await anna.put_result(work, 2)).code == "stale-lease"
        info = await job_info(http, job)
        assert (info.counts.done, info.counts.queued) == (1, 2) and "anna: the disk is full" in info.reason
    hello = attrs.evolve(anna.hello, aside="the disk is full")
    anna.hello = hello
    async with anna, watching(http) as events:  # it came back, and it is still so
        assert (await slaves(http))[0].aside == "the disk is full"
        await anna.send(messages.Fit())
        assert (await anna.work()).frames == (2, 3)
        assert (await events.until(messages.SlaveChanged)).slave.aside == ""
    async with http.get(f"/api/jobs/{job}/frames") as response:
        frames = codec.loads(await response.read(), list[FrameInfo])
    assert {frame.attempts for frame in frames} == {0}


async def test_a_job_that_a_machine_cannot_render_is_not_counted_against_its_frames(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    job = await submit(http, manifest("1-2", chunk=2))
    async with FakeSlave(coordinator.url, "anna") as anna:
        work = await anna.work()
        failed = messages.Failed(lease=work.lease, frame=1, message="no path map for it", fault=Fault.JOB)
        await anna.send(failed)
        assert (await anna.receive(messages.Cancel)).frames == (2,)
        info = await job_info(http, job)
    assert (info.state, info.barred, info.counts.error) == (JobState.FINISHED, ("anna",), 0)
    assert "none of the slaves that are here can render it: anna (no path map for it)" in info.reason


@pytest.mark.parametrize(
    "said",
    [
        '{"type": "failed", "lease": 1, "frame": 1, "message": "", "fault": "machine"}',  # that is an Aside
        '{"type": "failed", "lease": 1, "frame": 1, "message": "", "fault": "mine"}',
        '{"type": "aside", "reason": ""}',
        '{"type": "aside", "reason": "x", "holding": [1]}',
        '{"type": "fit", "really": true}',
    ],
)
async def test_what_is_no_fault_is_refused(coordinator: RunningCoordinator, said: str) -> None:
    async with FakeSlave(coordinator.url, "anna") as anna:
        await anna.socket.send_str(said)
        assert (await anna.receive(messages.Refused)).code == "bad-request"
