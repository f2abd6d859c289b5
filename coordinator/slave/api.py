"""The coordinator's HTTP interface, as far as a slave needs it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from .. import errors
from ..constants import REQUEST_SILENCE, SLAVE_SILENCE
from ..protocol import codec
from ..protocol.jobs import Manifest
from .backoff import Backoff
from .names import Names

logger = logging.getLogger(__name__)
T = TypeVar("T")

_BY_STATUS: dict[int, type[errors.NetrenderError]] = {
    401: errors.UnauthorizedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    410: errors.NotFoundError,
}


class Api:
    """Requests to one coordinator.

    What may pass by itself (no connection, a 5xx) is raised as UnreachableError; ``retry`` repeats such a request.
    Texts leave with ``names`` instead of this machine's paths: logs here, messages in ``connection``.
    """

    def __init__(self, url: str, slave: str, token: str | None = None, names: Names | None = None) -> None:
        headers = {"Netrender-Slave": slave}  # whose lease it is that a result or a log names
        if token:
            headers["Authorization"] = f"Bearer {token}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=SLAVE_SILENCE, sock_read=REQUEST_SILENCE)
        self.url = url.rstrip("/")
        self.names = names or Names()
        self.session = aiohttp.ClientSession(headers=headers, timeout=timeout)
        self.online = asyncio.Event()  # the coordinator has welcomed this slave, and the connection stands

    async def close(self) -> None:
        await self.session.close()

    async def retry(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat ``call`` until the coordinator answers it. While the slave is not connected it is not called."""
        backoff = Backoff()
        while True:
            await self.online.wait()
            try:
                return await call()
            except errors.UnreachableError as error:
                logger.info("%s: %s; will be repeated", what, error.message)
                await asyncio.sleep(backoff.next())

    async def manifest(self, job: str) -> Manifest:
        async with self._request("GET", f"/api/jobs/{job}/manifest") as response:
            manifest: Manifest = codec.loads(await response.read(), Manifest)
        if manifest.id != job:
            raise errors.BadRequestError(f"the coordinator's manifest of job {job} is that of job {manifest.id}")
        return manifest

    @asynccontextmanager
    async def blob(self, sha256: str, offset: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """The blob's bytes: from ``offset`` if the status is 206, all of them if it is 200, none if it is 416."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._request("GET", f"/api/blobs/{sha256}", headers=headers, allow=416) as response:
            yield response

    async def batch(self, names: Sequence[str]) -> bytes:
        """Small blobs together."""
        headers = {"Content-Type": "application/json"}
        data = codec.dumps(tuple(names)).encode()
        async with self._request("POST", "/api/batches", headers=headers, data=data) as response:
            return await response.read()

    async def put_result(self, job: str, frame: int, result: Path, headers: Mapping[str, str]) -> None:
        with result.open("rb") as file:
            async with self._request("PUT", f"/api/jobs/{job}/frames/{frame}/result", headers=headers, data=file):
                pass

    async def post_log(self, job: str, frame: int, lease: int, text: bytes) -> None:
        headers = {"Netrender-Lease": str(lease), "Content-Type": "text/plain; charset=utf-8"}
        data = self.names.in_text(text.decode(errors="replace")).encode(errors="replace")
        async with self._request("POST", f"/api/jobs/{job}/frames/{frame}/log", headers=headers, data=data):
            pass

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, data: Any = None, allow: int = 0
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self.session.request(method, self.url + path, headers=headers, data=data) as response:
                if response.status >= 400 and response.status != allow:
                    raise await _error(response)
                yield response
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise errors.UnreachableError(f"{method} {path}: {error or type(error).__name__}") from error


async def _error(response: aiohttp.ClientResponse) -> errors.NetrenderError:
    """The error in the body; a 5xx as UnreachableError, and a proxy's error page by its status."""
    code, message = "", f"{response.method} {response.url.path}: HTTP {response.status}"
    try:
        body = await response.json(content_type=None)
        code, message = str(body["code"]), str(body["message"])
    except (ValueError, KeyError, TypeError):
        pass
    if response.status >= 500:
        return errors.UnreachableError(message)
    if code in errors.BY_CODE:
        return errors.from_code(code, message)
    return _BY_STATUS.get(response.status, errors.BadRequestError)(message)
