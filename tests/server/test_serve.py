"""The coordinator as a whole: stopped and started again, who may ask, and what keeps it from starting."""

import asyncio
import re
import socket
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from coordinator.errors import ConflictError, PortInUseError, StorageError, UsageError
from coordinator.interfaces import is_loopback
from coordinator.protocol import batches, codec, messages
from coordinator.protocol.states import FrameState, JobState
from coordinator.scheduling.farm import Farm
from coordinator.server import Listening, ServerOptions, serve
from coordinator.server.key import farm_key
from coordinator.server.serve import application
from coordinator.server.service import Service
from coordinator.store.blobs import Blobs
from coordinator.store.database import Database
from coordinator.store.logs import Logs

from ..coordinators import RunningCoordinator, running_coordinator
from ..slaves import Answer, FakeSlave, held, result_of
from ..submissions import announce, job_info, manifest, sha256, submit, upload
from ..watching import watching


@asynccontextmanager
async def started(data: Path, port: int = 0) -> AsyncIterator[tuple[RunningCoordinator, aiohttp.ClientSession]]:
    """A coordinator that starts and stops while the test's own connections go on answering."""
    context = running_coordinator(data, port)
    coordinator = await asyncio.to_thread(context.__enter__)
    try:
        async with aiohttp.ClientSession(coordinator.url) as http:
            yield coordinator, http
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


async def connected(coordinator: RunningCoordinator) -> FakeSlave:
    """A slave that is still connected when the coordinator stops."""
    slave = FakeSlave(coordinator.url)
    await slave.connect()
    await slave.send(slave.hello)
    await slave.receive(messages.Welcome)
    return slave


# --- stopped and started again ----------------------------------------------------------------------------------------


async def test_jobs_frames_and_results_are_there_after_a_restart(tmp_path: Path) -> None:
    async with started(tmp_path) as (coordinator, http):
        job = await submit(http)
        waiting = await announce(http, manifest(files={"a.blend": b"later"}))
        async with FakeSlave(coordinator.url) as anna:
            work = await anna.work()
            await anna.put_result(work, 1, seconds=4.0)
            await anna.failed(work, 2, "no memory")
            await anna.work()
        before = await job_info(http, job)
        with coordinator.client as client:
            frames = client.frames(job)
    async with started(tmp_path) as (coordinator, http):
        with coordinator.client as client:
            assert [info.id for info in client.jobs()] == [waiting.id, job]
            assert client.frames(job) == frames and len(frames) >= 2
            (slave,) = client.slaves()
        assert await job_info(http, job) == before
        assert (slave.name, slave.connected) == ("anna", False)
        async with http.get(f"/api/jobs/{job}/frames/1/result") as response:
            assert await response.read() == result_of(job, 1)
        assert (await announce(http, manifest())).new is False
        await upload(http, b"later")
        assert (await job_info(http, waiting.id)).state is JobState.QUEUED


async def test_a_slave_that_comes_back_goes_on(tmp_path: Path) -> None:
    async with started(tmp_path) as (coordinator, http):
        job = await submit(http)
        first = await connected(coordinator)
        work = await first.work()
        await first.started(work, 1)
        await first.put_result(work, 1)
    await first.close()
    async with started(tmp_path) as (coordinator, http):
        assert (await job_info(http, job)).counts.dispatched == 1
        async with FakeSlave(coordinator.url, "anna", holding=(held(work),)) as anna:
            cancel = await anna.receive(messages.Cancel)
            assert (cancel.lease, cancel.frames) == (work.lease, (1,)), "of which it has not heard that it arrived"
            assert await anna.put_result(work, 2) == Answer(204), "rendered while the coordinator was away"
            after = await anna.work()
            assert after.frames == (3, 4)
            assert after.lease > work.lease, "a fencing number is never used twice"
            await anna.render(after)
        info = await job_info(http, job)
        assert (info.state, info.slaves) == (JobState.FINISHED, {"anna": 4})


async def test_the_stop_ends_connections_and_keeps_leases(tmp_path: Path) -> None:
    data = tmp_path / "data"
    context = running_coordinator(data)
    coordinator = await asyncio.to_thread(context.__enter__)
    async with aiohttp.ClientSession(coordinator.url) as http, FakeSlave(coordinator.url) as anna:
        job = await submit(http)
        work = await anna.work()
        async with watching(http, job) as events:
            stop = asyncio.create_task(asyncio.to_thread(context.__exit__, None, None, None))
            assert await anna.next() is None and anna.socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
            assert isinstance(await events.next(), messages.JobChanged)
            assert await events.next() is None, "the stream ends, and tells of no frame that went back"
            await stop
    async with started(data) as (coordinator, http):
        with coordinator.client as client:
            states = [(info.frame, info.state) for info in client.frames(job)]
        assert states == [(1, FrameState.DISPATCHED), (2, FrameState.DISPATCHED)]
        async with FakeSlave(coordinator.url, holding=(held(work),)) as anna:
            await anna.started(work, 1)
            assert await anna.put_result(work, 1) == Answer(204)


async def test_a_slave_that_came_back_without_its_lease_loses_it(tmp_path: Path) -> None:
    async with started(tmp_path) as (coordinator, http):
        job = await submit(http)
        first = await connected(coordinator)
        work = await first.work()
    await first.close()
    async with started(tmp_path) as (coordinator, http):
        async with FakeSlave(coordinator.url) as anna:
            again = await anna.work()
            assert again.frames == work.frames and again.lease > work.lease
        assert (await job_info(http, job)).counts.done == 0


async def test_a_slave_that_does_not_come_back_loses_its_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tmp_path) as (coordinator, http):
        await submit(http, manifest("1-2"))
        first = await connected(coordinator)
        work = await first.work()
    await first.close()
    monkeypatch.setattr(sys.modules["coordinator.server.recovery"], "SLAVE_SILENCE", 0.2)
    async with started(tmp_path) as (coordinator, _), FakeSlave(coordinator.url, "bert") as bert:
        assert (await bert.work()).frames == work.frames


# --- what keeps it from starting --------------------------------------------------------------------------------------


def test_a_port_in_use(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    with (
        pytest.raises(PortInUseError, match=f"port {coordinator.port}.*--port"),
        running_coordinator(tmp_path / "other", coordinator.port),
    ):
        pass


def test_a_data_folder_in_use(coordinator: RunningCoordinator) -> None:
    with (
        pytest.raises(ConflictError, match=r"used by another coordinator.*--data"),
        running_coordinator(coordinator.data),
    ):
        pass
    with coordinator.client as client:
        assert client.jobs() == [], "the first one goes on"


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"file.*--data"), running_coordinator(tmp_path / "file"):
        pass
    with pytest.raises(StorageError, match="--data"), running_coordinator(tmp_path / "file" / "below"):
        pass


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "netrender.sqlite").write_bytes(b"something else" * 1000)
    with pytest.raises(StorageError, match=r"netrender\.sqlite"), running_coordinator(tmp_path):
        pass


async def test_an_address_that_is_not_this_machines(tmp_path: Path) -> None:
    options = ServerOptions(data=tmp_path, host="192.0.2.1", port=0)  # reserved for documentation, RFC 5737
    with pytest.raises(UsageError, match=r"192\.0\.2\.1.*--host"):
        await serve(options, lambda _: None)


async def test_a_store_that_is_damaged_ends_the_coordinator(tmp_path: Path) -> None:
    """The farm cannot be loaded again: going on would acknowledge what is lost."""
    ready: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(ServerOptions(data=tmp_path, port=0), ready.set_result))
    async with aiohttp.ClientSession((await ready).url) as http:
        database = sqlite3.connect(tmp_path / "netrender.sqlite")
        database.execute("DROP TABLE jobs")
        database.close()
        async with http.post("/api/jobs", data=codec.dumps(manifest())) as response:
            assert (response.status, (await response.json())["code"]) == (500, "error")
        with pytest.raises(StorageError, match=r"netrender\.sqlite cannot be read"):
            await running


async def test_nothing_of_it_goes_on_after_its_end(tmp_path: Path) -> None:
    listens: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    before = asyncio.all_tasks()
    running = asyncio.create_task(serve(ServerOptions(data=tmp_path), listens.set_result))
    batch = batches.pack(sha256(b"one"), b"one")
    async with aiohttp.ClientSession((await listens).url) as http:
        async with http.post("/api/blobs", data=batch) as response:
            assert response.status == 201, await response.text()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert asyncio.all_tasks() - before == set()
    assert list((tmp_path / "blobs").rglob("*.batch")) == [], "what came together is settled"


# --- who may ask ------------------------------------------------------------------------------------------------------

KEY = "the-farms-key"


@asynccontextmanager
async def guarded(data: Path, key: str | None) -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    """The application as it would be on another address than loopback."""
    for folder in ("blobs", "results"):
        (data / folder).mkdir(parents=True)
    service = Service(
        farm=Farm(),
        database=Database(data / "netrender.sqlite"),
        blobs=Blobs(data / "blobs"),
        results=Blobs(data / "results"),
        logs=Logs(data / "logs"),
        on_broken=lambda error: pytest.fail(str(error)),
    )
    try:
        async with TestClient(TestServer(application(service, key))) as client:
            yield client
    finally:
        await asyncio.to_thread(service.database.close)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {KEY}x",
        f"Basic {KEY}",
        KEY,
        f"bearer\t{KEY}",
        "Bearer é",
    ],
)
@pytest.mark.parametrize("path", ["/api/version", "/api/jobs", "/api/slave", "/api/events", "/nowhere"])
async def test_without_the_key_nothing_is_answered(tmp_path: Path, authorization: str | None, path: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with guarded(tmp_path, KEY) as client, client.get(path, headers=headers) as response:
        assert response.status == 401
        error = await response.json()
        assert error["code"] == "unauthorized" and KEY not in error["message"]


async def test_with_the_key_everything_is(tmp_path: Path) -> None:
    async with guarded(tmp_path, KEY) as client:
        async with client.get("/api/jobs", headers={"Authorization": f"Bearer {KEY}"}) as response:
            assert response.status == 200
        async with FakeSlave(str(client.make_url("/")), token=KEY):
            pass


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://[", "http://127.0.0.1:1"])
@pytest.mark.parametrize("path", ["/api/jobs", "/api/slave"])
async def test_a_foreign_web_page_is_refused(coordinator: RunningCoordinator, path: str, origin: str) -> None:
    async with (
        aiohttp.ClientSession(coordinator.url) as http,
        http.get(path, headers={"Origin": origin}) as response,
    ):
        assert response.status == 401 and (await response.json())["code"] == "unauthorized"


async def test_its_own_page_is_not(coordinator: RunningCoordinator) -> None:
    async with (
        aiohttp.ClientSession(coordinator.url) as http,
        http.get("/api/jobs", headers={"Origin": coordinator.url}) as response,
    ):
        assert response.status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example:8470", 401), ("localhost:8470", 200), ("[::1]:8470", 200), ("127.0.0.1", 200), ("[", 401)],
)
async def test_on_loopback_only_this_machines_names_lead_here(
    coordinator: RunningCoordinator, host: str, status: int
) -> None:
    async with (
        aiohttp.ClientSession(coordinator.url) as http,
        http.get("/api/jobs", headers={"Host": host}) as response,
    ):
        assert response.status == status


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    key = farm_key(tmp_path)
    assert re.fullmatch(r"[\w-]{32}", key) and farm_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "farm.key").stat().st_mode) == 0o600


def test_an_empty_key_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "farm.key").write_text("")
    with pytest.raises(StorageError, match="is empty"):
        farm_key(tmp_path)


def test_a_key_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "farm.key").mkdir()
    with pytest.raises(StorageError, match=r"farm\.key"):
        farm_key(tmp_path)


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", socket.gethostname() + ".example", "")))
