"""Reading what a request carries, strictly: each helper raises BadRequestError that names the part."""

import asyncio
import math
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from .. import compression
from ..constants import BATCH_BYTES, PROBLEM_HEADER, REQUEST_SILENCE, TRANSFER_BLOCK
from ..errors import BadRequestError
from ..protocol import codec
from ..protocol.limits import MAX_SECONDS, SLAVE_ID, check_job_id, check_sha256
from .service import Service

SERVICE = web.AppKey("service", Service)

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def service(request: web.Request) -> Service:
    return request.app[SERVICE]


async def body(request: web.Request, cls: Any) -> Any:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequestError("header Content-Encoding: a JSON body is sent as it is")
    return codec.loads(await request.read(), cls)


async def batch(request: web.Request) -> bytes:
    """A body of small blobs, which is held in memory."""
    parts, size = [], 0
    async for block in blocks(request):
        size += len(block)
        if size > 2 * BATCH_BYTES:
            raise web.HTTPRequestEntityTooLarge(max_size=2 * BATCH_BYTES, actual_size=size)
        parts.append(block)
    return b"".join(parts)


def job_id(request: web.Request) -> str:
    return check_job_id(request.match_info["job"])


def slave_id(request: web.Request) -> str:
    slave = request.match_info["slave"]
    if not SLAVE_ID.fullmatch(slave):
        raise BadRequestError(f"slave {slave[:40]!r} is not 32 hexadecimal digits")
    return slave


def frame(request: web.Request) -> int:
    return _integer(request.match_info["frame"], "frame")


def sha256(request: web.Request) -> str:
    return check_sha256(request.match_info["sha256"])


def header(request: web.Request, name: str) -> str:
    try:
        return request.headers[name]
    except KeyError:
        raise BadRequestError(f"the header {name} is missing") from None


def integer_header(request: web.Request, name: str, default: int | None = None) -> int:
    if default is not None and name not in request.headers:
        return default
    value = _integer(header(request, name), f"header {name}")
    if value < 0:
        raise BadRequestError(f"header {name}: {value} is negative")
    return value


def seconds_header(request: web.Request, name: str) -> float:
    text = header(request, name)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MAX_SECONDS:  # nor is NaN
        raise BadRequestError(f"header {name}: {text[:40]!r} is not a number of seconds up to {MAX_SECONDS:.0f}")
    return value


def _integer(text: str, what: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise BadRequestError(f"{what}: {text[:40]!r} is not an integer")
    return int(text)


async def blocks(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it arrives, decoded.

    Raises ConnectionError if it breaks off or stands still: a machine that sleeps must not hold a blob for ever.
    """
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "zstd"):
        raise BadRequestError(f"header Content-Encoding: {encoding[:40]!r} is not understood; send zstd or identity")
    arriving = _arriving(request)
    async for block in arriving if encoding == "identity" else compression.decompressed(arriving):
        yield block


async def small(request: web.Request) -> bytes:
    """A body that its Content-Length says is small, and that is not encoded. Raises as ``blocks``."""
    try:
        async with asyncio.timeout(REQUEST_SILENCE):
            return await request.read()
    except TimeoutError:
        raise ConnectionAbortedError(f"no byte came for {REQUEST_SILENCE:.0f} s") from None


async def _arriving(request: web.Request) -> AsyncIterator[bytes]:
    try:
        while True:
            async with asyncio.timeout(REQUEST_SILENCE):
                block = await request.content.readany()
            if not block:
                return
            yield block
    except TimeoutError:
        raise ConnectionAbortedError(f"no byte came for {REQUEST_SILENCE:.0f} s") from None


class StoredFile(web.FileResponse):
    sha256 = ""


def stored_file(request: web.Request, path: Path, sha256: str, content_type: str) -> web.StreamResponse:
    """A blob as the answer: ranges work, and the ETag is its SHA-256."""
    if any(tag.value == sha256 for tag in request.if_none_match or ()):
        return web.Response(status=304, headers={"ETag": f'"{sha256}"'})
    response = StoredFile(path, chunk_size=TRANSFER_BLOCK, headers={"Content-Type": content_type})
    response.sha256 = sha256
    return response


async def set_etag(_request: web.Request, response: web.StreamResponse) -> None:
    """The last word on the ETag: aiohttp makes its own of the file's time, which a copy of the folder changes."""
    if isinstance(response, StoredFile):
        response.etag = response.sha256


async def set_problem(request: web.Request, response: web.StreamResponse) -> None:
    """Say in every answer that nothing can be kept at present."""
    if problem := service(request).recovery.problem:
        response.headers[PROBLEM_HEADER] = quote(problem, safe=" ,.:;()'/")


def answer(value: Any, status: int = 200) -> web.Response:
    return web.json_response(text=codec.dumps(value), status=status)
