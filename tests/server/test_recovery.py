"""The farm is loaded again: after an event on which the scheduler fails, and when the disk is full."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from attrs import frozen

from coordinator.constants import PROBLEM_HEADER
from coordinator.protocol import codec, messages
from coordinator.protocol.states import JobState
from coordinator.scheduling import events as e
from coordinator.scheduling import step
from coordinator.scheduling.farm import Farm
from coordinator.server import recovery
from coordinator.server.serve import application
from coordinator.server.service import Service
from coordinator.store import records
from coordinator.store.blobs import Blobs
from coordinator.store.database import Database, Statement
from coordinator.store.logs import Logs

from ..slaves import FakeSlave, held
from ..submissions import announce, job_info, manifest, submit
from ..watching import watching

Break = Callable[[type, Callable[[Farm, Any], bool]], None]


@frozen
class Here:
    """A coordinator in this event loop, so that a test can reach its service."""

    service: Service
    url: str


@asynccontextmanager
async def coordinator_here(data: Path) -> AsyncIterator[Here]:
    database = Database(data / "netrender.sqlite")
    service = Service(
        farm=records.load(database, lambda _: True),
        database=database,
        blobs=Blobs(data / "blobs"),
        results=Blobs(data / "results"),
        logs=Logs(data / "logs"),
        on_broken=lambda error: pytest.fail(str(error)),
    )
    server = TestServer(application(service, None), host="127.0.0.1")
    try:
        await server.start_server()
        yield Here(service, str(server.make_url("/")))
    finally:
        service.closing = True
        service.recovery.close()
        await server.close()
        await asyncio.to_thread(database.close)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    async with coordinator_here(tmp_path) as running:
        yield running


@pytest.fixture
async def http(here: Here) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(here.url) as session:
        yield session


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Make the scheduler fail on some events, after it has changed the farm for them."""

    def make(kind: type, fails: Callable[[Farm, Any], bool]) -> None:
        handler = step._HANDLERS[kind]

        def half_done(farm: Farm, event: Any) -> list[e.Decision]:
            decisions = handler(farm, event)
            if fails(farm, event):
                raise ZeroDivisionError("a defect")
            return decisions

        monkeypatch.setitem(step._HANDLERS, kind, half_done)

    return make


# --- the scheduler fails ----------------------------------------------------------------------------------------------


async def test_a_request_on_which_the_scheduler_fails_changes_nothing(
    here: Here, http: aiohttp.ClientSession, broken: Break, caplog: pytest.LogCaptureFixture
) -> None:
    job = await submit(http, manifest("1-4"))
    before = await job_info(http, job)
    broken(e.JobCommanded, lambda _, event: event.command == "cancel")
    async with http.post(f"/api/jobs/{job}/cancel") as response:
        assert (response.status, (await response.json())["code"]) == (500, "error")
    assert await job_info(http, job) == before
    assert "JobCommanded(now=" in caplog.text and job in caplog.text and "ZeroDivisionError: a defect" in caplog.text
    async with http.post(f"/api/jobs/{job}/pause") as response:
        assert response.status == 200


async def test_a_message_on_which_the_scheduler_fails_ends_no_connection(
    here: Here, http: aiohttp.ClientSession, broken: Break
) -> None:
    """The frames that slaves render stay theirs; what failed is told again, and not lost."""
    job = await submit(http, manifest("1-2", chunk=1))
    async with FakeSlave(here.url, "anna") as anna, FakeSlave(here.url, "bert") as bert, watching(http) as events:
        hers, his = await anna.work(), await bert.work()
        await bert.started(his, his.frames[0])  # or idle slaves would take it over
        await events.until(messages.FrameStarted, slave="bert")
        broken(e.FrameFailed, lambda _, event: "poison" in event.message)
        await anna.failed(hers, hers.frames[0], "poison")
        await anna.resync(held(hers))
        await bert.resync(held(his))
        await anna.failed(hers, hers.frames[0], "something ordinary")
        assert (await bert.put_result(his, his.frames[0])).status == 204
        await bert.render(await bert.work())  # the frame that failed on anna
        assert (await job_info(http, job)).state is JobState.FINISHED


async def test_a_frame_that_nobody_holds_after_it_is_rendered_again(
    here: Here, http: aiohttp.ClientSession, broken: Break
) -> None:
    """A discarded frame's ``done`` is refused, and the slave is rid of the frame."""
    job = await submit(http, manifest("1", discard=True))
    poisoned = [True]
    broken(e.FrameDone, lambda *_: poisoned.pop() if poisoned else False)
    async with FakeSlave(here.url, "anna") as anna:
        work = await anna.work()
        await anna.send(messages.Done(lease=work.lease, frame=1, seconds=1.0))
        await anna.resync()
        again = await anna.work()
        assert again.frames == (1,) and again.lease != work.lease
        await anna.send(messages.Done(lease=again.lease, frame=1, seconds=1.0))
        async with watching(http, job) as events:
            await events.until(messages.JobChanged, job=await job_info(http, job))
        assert (await job_info(http, job)).counts.done == 1


async def test_a_tick_on_which_the_scheduler_fails_ends_nothing(
    here: Here, http: aiohttp.ClientSession, broken: Break
) -> None:
    job = await submit(http, manifest("1-2"))
    async with FakeSlave(here.url, "anna") as anna:
        work = await anna.work()
        broken(e.Tick, lambda *_: True)
        here.service._on_alarm()
        assert here.service.alarm is not None, "time goes on"
        await anna.resync(held(work))
        for frame in work.frames:
            assert (await anna.put_result(work, frame)).status == 204
        assert (await job_info(http, job)).state is JobState.FINISHED


async def test_rows_that_the_database_does_not_take_are_refused_alone(
    here: Here, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An honest request of the same moment is not refused with them."""
    real = records.statements

    def statements(farm: Farm, decisions: Any) -> list[Statement]:
        found = real(farm, decisions)
        for statement in found:
            if statement.query == "put_job" and '"name":"poison"' in statement.parameters["manifest"]:
                statement.parameters["state"] = None
        return found

    monkeypatch.setattr(records, "statements", statements)
    honest, poison = manifest("1-2", name="honest"), manifest("1-2", name="poison")

    async def post(job: Any) -> int:
        async with http.post("/api/jobs", data=codec.dumps(job).encode()) as response:
            return response.status

    assert list(await asyncio.gather(post(honest), post(poison))) == [201, 500]
    assert set(here.service.farm.jobs) == {honest.id}
    assert await post(honest) == 200


async def test_a_second_hello_that_nobody_asked_for_is_refused(here: Here) -> None:
    async with FakeSlave(here.url, "anna") as anna:
        await anna.send(anna.hello)
        assert "hello was said already" in (await anna.receive(messages.Refused)).message


# --- the disk is full -------------------------------------------------------------------------------------------------


async def fill(here: Here) -> None:
    """Let SQLite find no room for another page."""
    await asyncio.to_thread(here.service.database.flush)
    here.service.database._writer.execute("PRAGMA max_page_count = 1")  # which means: no more than it has


def make_room(here: Here) -> None:
    here.service.database._writer.execute("PRAGMA max_page_count = 1000000")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """What the coordinator finds when it looks for room: none until this is set."""
    room = asyncio.Event()
    monkeypatch.setattr(recovery, "ROOM_CHECK", 0.01)
    monkeypatch.setattr(recovery, "_free", lambda _: 10**9 if room.is_set() else 0)
    return room


def large(name: str) -> Any:
    """A job whose row needs pages of its own."""
    return manifest("1-2", name=name, only_slaves=tuple(f"{name}-{n:06}" for n in range(3000)))


async def test_a_full_disk_is_said_and_nothing_is_accepted_until_there_is_room(
    here: Here, http: aiohttp.ClientSession, room: asyncio.Event
) -> None:
    job = await submit(http, manifest("1-3", chunk=1))
    async with FakeSlave(here.url, "anna") as anna, watching(http, job) as events:
        work = await anna.work()
        await fill(here)
        async with http.post("/api/jobs", data=codec.dumps(large("too-much")).encode()) as response:
            body = await response.json()
            assert (response.status, body["code"]) == (507, "storage")
        changed = await events.until(messages.ProblemChanged)
        assert "disk is full" in changed.problem and str(here.service.database.path.parent) in changed.problem

        # What was refused is not there, what was there is, and every answer says what is wrong.
        async with http.get("/api/jobs") as response:
            assert [one["id"] for one in await response.json()] == [job]
            assert "disk is full" in response.headers[PROBLEM_HEADER]
        async with http.get("/api/slaves") as response:
            assert [one["connected"] for one in await response.json()] == [True]
        for path in (f"/api/jobs/{job}/why", f"/api/slaves/{anna.id}/why"):
            async with http.get(path) as response:
                assert [fact["code"] for fact in (await response.json())["facts"]] == ["storage"], path
        async with http.get("/api/status") as response:
            assert "disk is full" in (await response.json())["problem"]
        async with watching(http, job) as later:
            assert await later.next() == changed
        for path in (f"/api/jobs/{job}/cancel", "/api/blobs", "/api/archives"):
            async with http.post(path) as response:
                assert (response.status, (await response.json())["code"]) == (507, "storage"), path
        assert (await anna.put_result(work, work.frames[0])).code == "storage"
        bert = FakeSlave(here.url, "bert")
        await bert.connect()
        await bert.send(bert.hello)
        assert (await bert.receive(messages.Refused)).code == "storage"
        await bert.close()

        make_room(here)
        room.set()
        await anna.resync(held(work))
        await events.until(messages.ProblemChanged, problem="")
        assert (await anna.put_result(work, work.frames[0])).status == 204
        for _ in range(2):
            await anna.render(await anna.work())
        info = await job_info(http, job)
        assert info.state is JobState.FINISHED and info.counts.done == 3
        assert (await announce(http, large("too-much"))).new
        async with http.get("/api/jobs") as response:
            assert PROBLEM_HEADER not in response.headers


async def test_what_was_granted_and_not_written_is_not_granted(
    here: Here, http: aiohttp.ClientSession, room: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease number is told only once it is durable, and is not used for two leases."""
    await submit(http, manifest("1-4", chunk=2))
    async with FakeSlave(here.url, "anna") as anna:
        first = await anna.work()
        await fill(here)
        async with http.post("/api/jobs", data=codec.dumps(large("fills")).encode()) as response:
            assert response.status == 507
        make_room(here)
        room.set()
        await anna.resync(held(first))
        await anna.started(first, first.frames[0])
        await anna.started(first, first.frames[1])
        second = await anna.work()
        assert second.lease > first.lease and not set(second.frames) & set(first.frames)


async def test_a_slave_that_leaves_meanwhile_loses_its_frames_when_there_is_room(
    here: Here, http: aiohttp.ClientSession, room: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "SLAVE_SILENCE", 0.05)
    job = await submit(http, manifest("1-2", chunk=2))
    async with watching(http, job) as events:
        async with FakeSlave(here.url, "anna") as anna:
            await anna.work()
            await fill(here)
            async with http.post("/api/jobs", data=codec.dumps(large("fills")).encode()) as response:
                assert response.status == 507
        make_room(here)
        room.set()
        assert "did not come back" in (await events.until(messages.FrameQueued)).reason
    async with FakeSlave(here.url, "bert") as bert:
        await bert.render(await bert.work())
    assert (await job_info(http, job)).counts.done == 2


async def test_a_blob_that_finds_no_room_is_refused_and_takes_none(
    here: Here, http: aiohttp.ClientSession, room: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has arrived of it would keep the database from being written."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("coordinator.store.blobs._append", full)
    async with http.put(f"/api/blobs/{'ab' * 32}", data=bytes(300_000)) as response:
        assert (response.status, (await response.json())["code"]) == (507, "storage")
    assert here.service.blobs.arrived("ab" * 32) == 0
    assert here.service.recovery.problem, "the disk has no room for anything else either"
    room.set()
    async with watching(http) as events:
        if here.service.recovery.problem:
            await events.until(messages.ProblemChanged, problem="")
    monkeypatch.undo()
    assert await submit(http, manifest("1"))


async def test_a_file_that_cannot_be_written_for_another_reason_stops_nothing(
    here: Here, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("coordinator.store.blobs._append", refused)
    async with http.put(f"/api/blobs/{'ab' * 32}", data=bytes(300_000)) as response:
        assert response.status == 507
    assert not here.service.recovery.problem
    monkeypatch.undo()
    assert await submit(http, manifest("1"))
