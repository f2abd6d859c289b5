"""A coordinator of a hundred lines: says what a test tells it to, notes what the slave says, can be away."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from coordinator.constants import PROTOCOL_VERSION
from coordinator.protocol import batches, codec, messages
from coordinator.protocol.frames import FrameRange
from coordinator.protocol.jobs import File, Manifest, RenderSettings

PATIENCE = 60.0  # seconds; only a test that fails waits as long


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class StandIn:
    def __init__(self) -> None:
        self.port = 0
        self.refusal: messages.Refused | None = None
        self.protocol = PROTOCOL_VERSION
        self.revoked: dict[int, str] = {}  # leases that are cancelled after a welcome that names them
        self.jobs: dict[str, Manifest] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []  # "PUT 3", "GET blob ... bytes=5-", ...
        self.said: list[messages.FromSlave] = []
        self.results: dict[tuple[str, int], bytes] = {}
        self.leases: dict[tuple[str, int], int] = {}  # under which the results came
        self.logs: dict[tuple[str, int], str] = {}
        self.headers: list[Any] = []
        self.on_put: Callable[[int], Awaitable[web.Response | None]] = self._nothing
        self.on_blob: Callable[[web.Request, str], Awaitable[web.StreamResponse | None]] = self._nothing
        self.on_log: Callable[[], Awaitable[web.Response | None]] = self._nothing
        self._sockets: set[web.WebSocketResponse] = set()
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def _nothing(self, *_: Any) -> None:
        return None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=2**26)
        app.add_routes(
            [
                web.get("/api/slave", self._slave),
                web.get("/api/jobs/{job}/manifest", self._manifest),
                web.get("/api/blobs/{sha}", self._blob),
                web.post("/api/batches", self._batch),
                web.put("/api/jobs/{job}/frames/{frame}/result", self._put),
                web.post("/api/jobs/{job}/frames/{frame}/log", self._log),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            for site in list(self._runner.sites):  # first: nobody connects to a server that is going down
                await site.stop()
            for socket in list(self._sockets):
                await socket.close()
            await self._runner.cleanup()
            self._runner = None

    # --- for tests ---

    def job(
        self, frames: str, name: str = "film", files: Mapping[str, bytes] | None = None, **changes: Any
    ) -> Manifest:
        """Announce a job whose .blend has its name as content."""
        blend = f"scene of {name}".encode()
        contents = {"a.blend": blend, **(files or {})}
        manifest = Manifest(
            name=name,
            blend="a.blend",
            files=tuple(File(path=p, sha256=sha(data), size=len(data)) for p, data in contents.items()),
            frames=str(FrameRange.parse(frames)),
            render=RenderSettings(scene="Scene", engine="CYCLES"),
            blender="4.5",
            **changes,
        )
        self.jobs[manifest.id] = manifest
        self.blobs |= {sha(data): data for data in contents.values()}
        return manifest

    async def give(self, lease: int, job: Manifest, *frames: int) -> None:
        await self.send(messages.Work(lease=lease, job=job.id, frames=frames))

    async def send(self, message: messages.ToSlave) -> None:
        await self.until(lambda: bool(self._sockets))
        for socket in list(self._sockets):
            await socket.send_str(codec.dumps(message, messages.ToSlave))

    async def send_each(self, some: list[messages.ToSlave]) -> None:
        for socket in list(self._sockets):
            await socket.send_str(codec.dumps_each(some, messages.ToSlave))

    async def drop_connections(self) -> None:
        for socket in list(self._sockets):
            await socket.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    async def has(self, message: messages.FromSlave) -> None:
        await self.until(lambda: message in self.said)

    async def has_results(self, job: Manifest, *frames: int) -> None:
        await self.until(lambda: all((job.id, frame) in self.results for frame in frames))

    @property
    def hellos(self) -> list[messages.Hello]:
        return [said for said in self.said if isinstance(said, messages.Hello)]

    @property
    def failures(self) -> list[messages.Failed]:
        return [said for said in self.said if isinstance(said, messages.Failed)]

    # --- handlers ---

    async def _note(self, change: Callable[[], Any]) -> None:
        async with self._changed:
            change()
            self._changed.notify_all()

    async def _slave(self, request: web.Request) -> web.WebSocketResponse:
        self.headers.append(request.headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        hello = codec.loads(await socket.receive_str(), messages.FromSlave, union=True)
        answer: messages.ToSlave = self.refusal or messages.Welcome(protocol=self.protocol, netrender="9.9")
        await socket.send_str(codec.dumps(answer, messages.ToSlave))
        for held in hello.holding:
            if held.lease in self.revoked:
                cancel = messages.Cancel(lease=held.lease, reason=self.revoked[held.lease])
                await socket.send_str(codec.dumps(cancel, messages.ToSlave))
        self._sockets.add(socket)
        await self._note(lambda: self.said.append(hello))
        async for message in socket:
            said = codec.loads(message.data, messages.FromSlave, union=True)
            await self._note(lambda said=said: self.said.append(said))  # type: ignore[misc]
        await self._note(lambda: self._sockets.discard(socket))
        return socket

    async def _manifest(self, request: web.Request) -> web.Response:
        await self._note(lambda: self.requests.append(f"GET manifest {request.match_info['job']}"))
        job = self.jobs.get(request.match_info["job"])
        return web.json_response(text=codec.dumps(job)) if job else error(404, "not-found", "no such job")

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["sha"]
        span = request.headers.get("Range", "")
        await self._note(lambda: self.requests.append(f"GET blob {name} {span}".strip()))
        if (answer := await self.on_blob(request, name)) is not None:
            return answer
        if name not in self.blobs:
            return error(404, "not-found", f"no blob {name}")
        data, first = self.blobs[name], request.http_range.start or 0
        if span and first >= len(data):
            return error(416, "error", "nothing there")
        return web.Response(status=206 if span else 200, body=data[first:])

    async def _batch(self, request: web.Request) -> web.Response:
        names: list[str] = await request.json()
        await self._note(lambda: self.requests.append(f"POST batch of {len(names)}"))
        if not self.blobs.keys() >= set(names):
            return error(404, "not-found", "one of them is not here")
        return web.Response(body=b"".join(batches.pack(name, self.blobs[name]) for name in names))

    async def _put(self, request: web.Request) -> web.Response:
        job, frame = request.match_info["job"], int(request.match_info["frame"])
        data = await request.read()
        await self._note(lambda: self.requests.append(f"PUT {frame}"))
        if (answer := await self.on_put(frame)) is not None:
            return answer
        assert sha(data) == request.headers["Netrender-SHA256"]
        assert float(request.headers["Netrender-Seconds"]) > 0

        def keep() -> None:
            self.results[job, frame] = data
            self.leases[job, frame] = int(request.headers["Netrender-Lease"])

        await self._note(keep)
        return web.Response(status=204)

    async def _log(self, request: web.Request) -> web.Response:
        key = request.match_info["job"], int(request.match_info["frame"])
        text = await request.text()
        if (answer := await self.on_log()) is not None:
            return answer
        assert key not in self.results, "the log must be there before the result ends the frame's lease"
        await self._note(lambda: self.logs.__setitem__(key, self.logs.get(key, "") + text))
        return web.Response(status=204)


def error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message}, status=status)
