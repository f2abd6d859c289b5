"""The client against a real coordinator, and against servers that misbehave."""

import asyncio
import errno
import io
import json
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from aiohttp import web

from coordinator import __version__, errors
from coordinator.client import Client, downloads, events
from coordinator.config import Address
from coordinator.constants import PROBLEM_HEADER, PROTOCOL_VERSION, TRANSFER_ATTEMPTS, TRANSFER_BLOCK
from coordinator.protocol import codec
from coordinator.protocol.messages import FrameDone, JobChanged
from coordinator.protocol.states import FrameState, JobState

from .coordinators import RunningCoordinator
from .queued import queue_job
from .scripted_slave import rendered, scripted_slave
from .submissions import manifest, sha256


@pytest.fixture
def client(coordinator: RunningCoordinator) -> Iterator[Client]:
    with coordinator.client as client:
        yield client


def render(coordinator: RunningCoordinator, client: Client, job: str) -> FrameDone:
    """Let a slave render the only frame of the job."""
    with closing(client.events(job)) as stream, scripted_slave(coordinator.url, permits=1):
        return next(event for event in stream if isinstance(event, FrameDone))


# --- a real coordinator ---


def test_a_job_waits_for_its_files_and_is_queued_when_they_are_there(client: Client, tmp_path: Path) -> None:
    data = b"a scene" * 100_000
    (tmp_path / "scene.blend").write_bytes(data)
    accepted = client.announce(manifest(files={"scene.blend": data}))
    assert (accepted.new, accepted.state, accepted.missing) == (True, JobState.WAITING, (sha256(data),))
    sent: list[int] = []
    client.upload(tmp_path / "scene.blend", sha256(data), sent.append)
    assert sent[-1] == len(data)
    assert sent == sorted(sent)
    assert client.job(accepted.id).state is JobState.QUEUED
    again = client.announce(manifest(files={"scene.blend": data}))
    assert (again.new, again.missing, again.id) == (False, (), accepted.id)
    assert client.manifest(accepted.id) == manifest(files={"scene.blend": data})
    assert [info.id for info in client.jobs()] == [accepted.id]


def test_several_files_are_uploaded_and_counted_once(client: Client, tmp_path: Path) -> None:
    blobs = {}
    for number in range(10):
        data = bytes([number]) * (TRANSFER_BLOCK + number)
        (tmp_path / str(number)).write_bytes(data)
        blobs[sha256(data)] = tmp_path / str(number)
    progress: list[int] = []
    client.upload_all(blobs, progress.append)
    assert progress[-1] == sum(path.stat().st_size for path in blobs.values())
    assert progress == sorted(progress)
    client.upload_all(blobs, progress.append)  # all there: nothing is wrong with that


def test_a_file_that_changed_is_named(client: Client, tmp_path: Path) -> None:
    (tmp_path / "scene.blend").write_bytes(b"later")
    with pytest.raises(errors.BlobMismatchError, match=r"scene\.blend changed"):
        client.upload(tmp_path / "scene.blend", sha256(b"earlier"))


def test_a_job_is_found_by_the_beginning_of_its_id(client: Client, tmp_path: Path) -> None:
    one, other = queue_job(client, tmp_path, name="one"), queue_job(client, tmp_path, name="other")
    assert client.job(one[:8]).id == one
    assert client.job(other).name == "other"
    with pytest.raises(errors.NotFoundError, match="netrender jobs"):
        client.job("zzz")
    with pytest.raises(errors.NotFoundError):
        client.job("0" * 16)


def test_an_ambiguous_beginning_names_the_jobs(client: Client, tmp_path: Path) -> None:
    ids = [queue_job(client, tmp_path, name=f"job {n}") for n in range(17)]  # 16 digits: two begin alike
    prefix = next(id[0] for id in ids if sum(other[0] == id[0] for other in ids) > 1)
    with pytest.raises(errors.UsageError, match=r"jobs begin with .* \(job "):
        client.job(prefix)


def test_commands_change_the_job_and_conflicts_are_raised(client: Client, tmp_path: Path) -> None:
    job = queue_job(client, tmp_path)
    assert client.command(job, "pause").state is JobState.PAUSED
    assert client.command(job, "resume").state is JobState.QUEUED
    assert client.command(job, "cancel").state is JobState.CANCELLED
    with pytest.raises(errors.ConflictError):
        client.command(job, "pause")


def test_a_result_arrives_whole_with_its_log(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    job = queue_job(client, tmp_path, frames="7")
    target = tmp_path / "0007.exr"
    assert client.result(job, 7, target) is None
    assert not target.exists()
    done = render(coordinator, client, job)
    assert done.sha256 == sha256(rendered(7))
    assert client.result(job, 7, target) == done.sha256
    assert target.read_bytes() == rendered(7)
    [info] = client.frames(job)
    assert (info.frame, info.state, info.sha256) == (7, FrameState.DONE, done.sha256)
    whole = client.log(job, 7)
    assert b"log of 7" in whole
    assert client.log(job, 7, 5) == whole[5:]
    assert client.log(job, 7, len(whole)) == b""
    assert [slave.name for slave in client.slaves()] == ["scripted"]


def test_a_frame_that_was_given_up_is_an_error(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    job = queue_job(client, tmp_path, frames="7")
    with (
        closing(client.events(job)) as stream,
        scripted_slave(coordinator.url, permits=99, render=lambda frame: None),
    ):
        ended = (e for e in stream if isinstance(e, JobChanged) and e.job.state is JobState.FINISHED)
        assert next(ended).job.counts.error == 1
    with pytest.raises(errors.FrameFailedError, match="frame 7 failed"):
        client.result(job, 7, tmp_path / "0007.exr")


def test_an_unwritable_folder_is_named_and_nothing_is_left(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job = queue_job(client, tmp_path, frames="1")
    render(coordinator, client, job)
    with pytest.raises(errors.StorageError, match="nowhere"):
        client.result(job, 1, tmp_path / "nowhere" / "0001.exr")
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StorageError, match="--output"):
        downloads.check_writable(tmp_path / "file" / "frames")


def test_a_full_disk_leaves_nothing_half_written(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    real_open = Path.open

    def open_full(path: Path, *args: Any, **options: Any) -> IO[Any]:
        if path.suffix != ".part":  # the coordinator runs in this process too
            file: IO[Any] = real_open(path, *args, **options)
            return file
        path.touch()
        return Full()

    job = queue_job(client, tmp_path, frames="1")
    (tmp_path / "out").mkdir()
    render(coordinator, client, job)
    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(errors.StorageError, match=r"no space left in .*out"):
        client.result(job, 1, tmp_path / "out" / "0001.exr")
    monkeypatch.undo()
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "link to nothing"])
def test_what_is_no_file_is_not_replaced(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path, kind: str
) -> None:
    job = queue_job(client, tmp_path, frames="1")
    render(coordinator, client, job)
    (folder := tmp_path / "out").mkdir()
    (tmp_path / "file").write_bytes(b"somebody's")
    target = folder / "0001.exr"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / ("file" if kind == "link" else "none"))
    before = target.lstat()
    for download in (lambda: client.result(job, 1, target), lambda: client.archive(job, target)):
        with pytest.raises(
            errors.StorageError, match=r"0001\.exr is a .* and not a file, and is left as it is"
        ) as caught:
            download()
        assert "--output" not in caught.value.message
    assert target.lstat() == before and list(folder.iterdir()) == [target]
    assert (tmp_path / "file").read_bytes() == b"somebody's" and not (tmp_path / "none").exists()


def test_an_archive_that_cannot_be_written_advises_no_option_that_it_lacks(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    job = queue_job(client, tmp_path, frames="1")
    render(coordinator, client, job)
    with pytest.raises(errors.StorageError, match=r"cannot write to .*missing \(No such file") as caught:
        client.archive(job, tmp_path / "missing" / "job.tar")
    assert "--output" not in caught.value.message


def test_what_cannot_be_read_cannot_be_restored(client: Client, tmp_path: Path) -> None:
    (loop := tmp_path / "loop").symlink_to("loop")
    (pipe := tmp_path / "pipe").symlink_to(tmp_path)
    if sys.platform != "win32":
        pipe.unlink()
        os.mkfifo(pipe)
    for path, said in (
        (tmp_path, "is a folder or a device"),
        (pipe, "is a folder or a device"),
        (tmp_path / "none", "does not exist"),
        (loop, "cannot be read"),
    ):
        with pytest.raises(errors.UsageError, match=said):
            client.restore(path)


def test_the_first_event_is_the_job(client: Client, tmp_path: Path) -> None:
    job = queue_job(client, tmp_path)
    with closing(client.events(job)) as stream:
        first = next(stream)
    assert isinstance(first, JobChanged)
    assert first.job.id == job


# --- servers that misbehave ---

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def version(protocol: int = PROTOCOL_VERSION) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"netrender": "9.9", "protocol": protocol})

    return answer


@contextmanager
def server(**handlers: Handler) -> Iterator[Address]:
    """An aiohttp server; ``get_api_jobs`` would answer to GET /api/jobs..."""
    app = web.Application()
    handlers.setdefault("version", version())
    app.router.add_get("/api/version", handlers.pop("version"))
    for method, handler in handlers.items():
        app.router.add_route(method, "/{rest:.*}", handler)
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()
    address: list[str] = []

    async def main() -> None:
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(f"127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        await stop.wait()
        await runner.cleanup()
        waiting = asyncio.all_tasks() - {asyncio.current_task()}  # handlers that wait for ever
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait()
    try:
        yield Address.parse(address[0])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def test_another_protocol_version_names_both() -> None:
    with (
        server(version=version(PROTOCOL_VERSION + 1)) as address,
        Client(address) as client,
        pytest.raises(errors.VersionMismatchError) as caught,
    ):
        client.jobs()
    assert f"(Netrender 9.9) speaks protocol {PROTOCOL_VERSION + 1}, " in caught.value.message
    assert f"this client (Netrender {__version__}) speaks protocol {PROTOCOL_VERSION}:" in caught.value.message


def test_something_else_at_the_address() -> None:
    async def web_page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<h1>Welcome</h1>")

    with (
        server(version=web_page) as address,
        Client(address) as client,
        pytest.raises(errors.UnreachableError, match="no Netrender coordinator"),
    ):
        client.jobs()


def test_nobody_at_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        address = Address.parse(f"127.0.0.1:{taken.getsockname()[1]}")
        with Client(address) as client, pytest.raises(errors.UnreachableError, match="'netrender coordinator'"):
            client.jobs()


def test_the_key_is_sent_and_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    async def jobs(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        return web.json_response([])

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with server(GET=jobs) as address, Client(Address(url=address.url, token="secret")) as client:
        assert client.jobs() == []
    assert seen == ["Bearer secret"]


def test_an_answer_that_is_wrong_names_the_field() -> None:
    async def jobs(request: web.Request) -> web.StreamResponse:
        return web.json_response([{"id": 3}])

    with (
        server(GET=jobs) as address,
        Client(address) as client,
        pytest.raises(errors.NetrenderError, match="sent an answer that is wrong"),
    ):
        client.jobs()


@pytest.mark.parametrize("job", ["../../x", "/etc/passwd", "", "a" * 17])
def test_a_job_is_named_by_no_path(job: str, coordinator: RunningCoordinator, tmp_path: Path) -> None:
    """A folder is made of the id that a coordinator says."""
    with coordinator.client as real:
        honest = json.loads(codec.dumps(real.job(queue_job(real, tmp_path))))

    async def get(request: web.Request) -> web.StreamResponse:
        return web.json_response(honest | {"id": job})

    with (
        server(GET=get) as address,
        Client(address) as client,
        pytest.raises(errors.NetrenderError, match=r"sent an answer that is wrong: .*id .* is not 16 hexadecimal"),
    ):
        client.job("0123456789abcdef")


@pytest.mark.parametrize("offset", ["-1", "1e999", "many", "9" * 30])
def test_an_offset_is_a_number(offset: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(2 * TRANSFER_BLOCK))

    async def head(request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Upload-Offset": offset})

    with (
        server(HEAD=head) as address,
        Client(address) as client,
        pytest.raises(errors.NetrenderError, match="Upload-Offset"),
    ):
        client.upload(path, sha256(path.read_bytes()))


@pytest.mark.parametrize("protocol", ["1e999", "[" * 100_000, '"x"'])
def test_a_version_that_is_no_number(protocol: str) -> None:
    async def odd(request: web.Request) -> web.StreamResponse:
        return web.Response(text=f'{{"netrender": "1", "protocol": {protocol}}}')

    with (
        server(version=odd) as address,
        Client(address) as client,
        pytest.raises(errors.UnreachableError, match="no Netrender coordinator"),
    ):
        client.jobs()


class Flaky:
    """Keeps what arrives of one blob, and cuts the connection after so many bytes, so many times."""

    def __init__(self, cut_after: int, cuts: int) -> None:
        self.data = b""
        self.cut_after = cut_after
        self.cuts = cuts
        self.offsets: list[int] = []

    async def head(self, request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Upload-Offset": str(len(self.data)), "Upload-Complete": "?0"})

    async def put(self, request: web.Request) -> web.StreamResponse:
        offset = int(request.headers["Upload-Offset"])
        self.offsets.append(offset)
        assert offset == len(self.data)
        arrived = 0
        async for block in request.content.iter_chunked(TRANSFER_BLOCK):
            self.data += block
            arrived += len(block)
            if self.cuts and arrived >= self.cut_after:
                self.cuts -= 1
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
        if self.cuts and not self.cut_after:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=201)


def test_an_upload_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    data = bytes(range(256)) * 16 * 1024  # 4 MiB
    (tmp_path / "big").write_bytes(data)
    flaky = Flaky(cut_after=10**6, cuts=3)
    progress: list[int] = []
    with server(HEAD=flaky.head, PUT=flaky.put) as address, Client(address) as client:
        client.upload(tmp_path / "big", sha256(data), progress.append)
    assert flaky.data == data
    assert len(flaky.offsets) == 4
    assert all(later > earlier for earlier, later in zip(flaky.offsets, flaky.offsets[1:], strict=False))
    assert progress[-1] == len(data)


def test_an_upload_that_never_moves_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big").write_bytes(bytes(TRANSFER_BLOCK + 1))
    tries = []

    async def put(request: web.Request) -> web.StreamResponse:
        tries.append(request.headers["Upload-Offset"])
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with (
        server(HEAD=Flaky(0, 0).head, PUT=put) as address,
        Client(address) as client,
        pytest.raises(errors.UnreachableError, match="was cut"),
    ):
        client.upload(tmp_path / "big", sha256(bytes(TRANSFER_BLOCK + 1)))
    assert tries == ["0"] * TRANSFER_ATTEMPTS


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def full(_request: web.Request) -> web.StreamResponse:
    return web.json_response({}, headers={PROBLEM_HEADER: "the disk is full%3A make room"})


def test_what_a_full_disk_cuts_is_told_as_that(tmp_path: Path) -> None:
    """A coordinator that refuses a large body early looks to the sender as if the connection were cut."""
    data = bytes(TRANSFER_BLOCK + 1)
    (tmp_path / "big").write_bytes(data)
    with server(HEAD=full, PUT=cut, POST=cut, GET=full) as address, Client(address) as client:
        with pytest.raises(errors.StorageError, match="the disk is full: make room"):
            client.upload(tmp_path / "big", sha256(data))
        with pytest.raises(errors.StorageError, match="the disk is full: make room"):
            client.restore(tmp_path / "big")


def results(*bodies: bytes, promised: str) -> tuple[Handler, list[bytes]]:
    """Serves these bodies one after the other, always under the same ETag; an empty one cuts the connection."""
    left = list(bodies)

    async def get(request: web.Request) -> web.StreamResponse:
        body = left.pop(0)
        if body:
            return web.Response(body=body, headers={"ETag": f'"{promised}"'})
        response = web.StreamResponse(headers={"ETag": f'"{promised}"', "Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"the first bytes")
        assert request.transport is not None
        request.transport.close()
        return response

    return get, left


def test_a_result_that_arrives_wrong_or_cut_is_asked_for_again(tmp_path: Path) -> None:
    get, left = results(b"wrong", b"", b"right", promised=sha256(b"right"))
    with server(GET=get) as address, Client(address) as client:
        assert client.result("0" * 16, 1, tmp_path / "0001.exr") == sha256(b"right")
    assert not left
    assert [path.name for path in tmp_path.iterdir()] == ["0001.exr"]
    assert (tmp_path / "0001.exr").read_bytes() == b"right"


def test_a_result_that_is_always_wrong_is_not_kept(tmp_path: Path) -> None:
    get, left = results(*[b"wrong"] * 9, promised=sha256(b"right"))
    with (
        server(GET=get) as address,
        Client(address) as client,
        pytest.raises(errors.BlobMismatchError, match="frame 1 of job"),
    ):
        client.result("0" * 16, 1, tmp_path / "0001.exr")
    assert len(left) == 9 - TRANSFER_ATTEMPTS
    assert not list(tmp_path.iterdir())


def test_each_event_is_handed_on_when_it_arrives_and_comments_are_ticks() -> None:
    """The server sends the second message only after the client had the first: nothing may wait in a buffer."""
    had_first = asyncio.Event()

    async def get(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/jobs":
            had_first.set()
            return web.json_response([])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": still here\n\n")
        await response.write(b'data: {"type":"frame-queued",\ndata: "job":"x","frame":1,"reason":"test"}\n\n')
        await had_first.wait()
        await response.write('data: {"type":"frame-queued","job":"x","frame":2,"reason":"ä"}\n\n'.encode())
        return response

    with server(GET=get) as address, Client(address) as client:
        stream = client.events("x")
        assert next(stream) is None
        assert getattr(next(stream), "frame") == 1  # noqa: B009
        client.jobs()
        assert getattr(next(stream), "reason") == "ä"  # noqa: B009
        with pytest.raises(errors.UnreachableError):
            next(stream)


def test_a_stream_that_falls_silent_means_that_the_coordinator_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def get(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    monkeypatch.setattr(events, "SILENCE", 0.2)
    with server(GET=get) as address, Client(address) as client, pytest.raises(errors.UnreachableError):
        next(client.events())
