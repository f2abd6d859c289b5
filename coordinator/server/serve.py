"""From options to a listening coordinator, and back to a stopped one."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path

import filelock
from aiohttp import web
from attrs import field, frozen

from ..constants import DEFAULT_HOST, DEFAULT_PORT, MAX_FRAMES_PER_JOB, MAX_JSON_BODY
from ..errors import ConflictError, PortInUseError, StorageError, UsageError
from ..interfaces import is_loopback
from ..scheduling.policy import Policy
from ..store import records
from ..store.blobs import Blobs
from ..store.database import Database
from ..store.logs import Logs
from . import archives, blobs, frames, jobs, middlewares, requests, streams
from .key import farm_key
from .service import Service

log = logging.getLogger(__name__)


@frozen(kw_only=True)
class ServerOptions:
    data: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT  # 0 for any that is free
    max_frames: int = MAX_FRAMES_PER_JOB
    cache_limit: int | None = None  # bytes of blobs that are kept; None for no limit
    policy: Policy = field(factory=Policy)
    announce: bool = False  # tell the local network that we are here
    farm: str = ""  # the name under which we are found
    interface: str | None = None  # on which we are announced; None for all that lead here


@frozen(kw_only=True)
class Listening:
    url: str
    pairing_line: str | None  # None on loopback, where nothing is asked


async def serve(options: ServerOptions, on_ready: Callable[[Listening], None]) -> None:
    """Run a coordinator until this task is cancelled.

    Raises PortInUseError, StorageError (also if the store fails later), ConflictError if another coordinator uses the
    data folder, UsageError for an address that is not this machine's.
    """
    key = None
    loopback = is_loopback(options.host)
    async with _service(options.data, options.cache_limit, options.policy) as (service, broken):
        if not loopback:
            key = farm_key(options.data)
        app = application(service, key, options.max_frames)
        # Bodies are decoded where they are read: aiohttp knows zstd only with a package that has no pure wheel.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, auto_decompress=False)
        await runner.setup()
        try:
            port = await _listen(runner, options)
            host = f"[{options.host}]" if ":" in options.host else options.host
            pairing = None if key is None else f"netrender://{_reachable(options.host)}:{port}/#{key}"
            on_ready(Listening(url=f"http://{host}:{port}", pairing_line=pairing))
            service.recovery.begin_grace()
            async with _announced(options, port):
                raise await broken
        finally:
            service.closing = True
            service.recovery.close()
            service.watchers.close()
            await runner.cleanup()


def application(service: Service, key: str | None, max_frames: int = MAX_FRAMES_PER_JOB) -> web.Application:
    app = web.Application(
        middlewares=[middlewares.errors, middlewares.authentication(key), middlewares.storage],
        client_max_size=MAX_JSON_BODY,
    )
    app[requests.SERVICE] = service
    app[jobs.MAX_FRAMES] = max_frames
    open_sockets: set[web.WebSocketResponse] = set()
    app[streams.SOCKETS] = open_sockets
    for module in (jobs, frames, blobs, archives, streams):
        app.add_routes(module.ROUTES)
    app.on_response_prepare.append(requests.set_etag)
    app.on_response_prepare.append(requests.set_problem)
    app.on_shutdown.append(_close_sockets)
    return app


async def _close_sockets(app: web.Application) -> None:
    sockets = app[streams.SOCKETS]
    # Together: one that has gone silent takes its time.
    await asyncio.gather(*(socket.close(code=1001, message=b"the coordinator stops") for socket in sockets))


def _locked(data: Path) -> filelock.BaseFileLock:
    """One coordinator a data folder. The system lets go of the lock however the process ends."""
    lock = filelock.FileLock(data / "coordinator.lock")
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise ConflictError(f"folder {data} is used by another coordinator; choose another with --data") from None
    except OSError as error:
        raise StorageError(f"folder {data}: {error.strerror}; choose another with --data") from error
    return lock


def _break(broken: "asyncio.Future[BaseException]", error: BaseException) -> None:
    if not broken.done():
        broken.set_result(error)


@asynccontextmanager
async def _service(
    data: Path, cache_limit: int | None, policy: Policy
) -> AsyncIterator[tuple[Service, "asyncio.Future[BaseException]"]]:
    lock = _locked(data)
    broken: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    try:
        uploads, results = Blobs(data / "blobs"), Blobs(data / "results")
        database = Database(data / "netrender.sqlite")
        try:
            yield (
                Service(
                    farm=records.load(database, uploads.has, policy),
                    database=database,
                    blobs=uploads,
                    results=results,
                    logs=Logs(data / "logs"),
                    cache_limit=cache_limit,
                    on_broken=lambda error: _break(broken, error),
                ),
                broken,
            )
        finally:
            await asyncio.to_thread(database.close)
            await uploads.close()
            await results.close()
    finally:
        lock.release()


async def _listen(runner: web.AppRunner, options: ServerOptions) -> int:
    site = web.TCPSite(runner, options.host, options.port, backlog=1024)
    where = f"{options.host}:{options.port}"
    try:
        await site.start()
    except socket.gaierror as error:
        raise UsageError(f"--host {options.host}: {error.strerror}; give an address of this machine") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"port {options.port}: another program listens on {where}; use --port") from error
        raise UsageError(f"cannot listen on {where}: {error.strerror or error}; check --host and --port") from error
    port: int = runner.addresses[0][1]
    return port


def _announced(options: ServerOptions, port: int) -> AbstractAsyncContextManager[None]:
    if not options.announce:
        return nullcontext()
    from .. import discovery  # zeroconf takes its time to be imported

    return discovery.announced(
        options.host, port, key=not is_loopback(options.host), farm=options.farm, interface=options.interface
    )


def _reachable(host: str) -> str:
    """What another machine calls this one."""
    return socket.gethostname() if host in ("0.0.0.0", "::") else host
