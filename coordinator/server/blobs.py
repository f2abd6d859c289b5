"""Handlers of blobs: resumable upload, as in draft-ietf-httpbis-resumable-upload, and download with ranges."""

import asyncio

from aiohttp import web

from .. import chunking
from ..constants import BATCH_BLOBS, SMALL_BLOB
from ..errors import BadRequestError, NotFoundError
from ..protocol import batches, codec, deltas
from ..protocol.limits import check_sha256
from ..scheduling.events import BlobsArrived
from ..store import rebuilding
from ..store.blobs import Blobs
from . import requests as r


async def head(request: web.Request) -> web.Response:
    """How much of the blob is stored."""
    blobs, sha256 = r.service(request).blobs, r.sha256(request)
    size = blobs.size(sha256)
    arrived = blobs.arrived(sha256) if size is None else size
    if size is None and not arrived:
        return web.Response(status=404)
    return web.Response(headers={"Upload-Offset": str(arrived), "Upload-Complete": "?0" if size is None else "?1"})


async def put(request: web.Request) -> web.Response:
    service, sha256 = r.service(request), r.sha256(request)
    offset = r.integer_header(request, "Upload-Offset", default=0)
    new = await service.blobs.receive(sha256, r.blocks(request), offset)
    await service.apply(BlobsArrived(now=service.clock(), blobs=frozenset({sha256})))
    return web.Response(status=201 if new else 200)


async def patch(request: web.Request) -> web.Response:
    """A blob, or the rest of it, made of another one and of what has changed."""
    service, sha256 = r.service(request), r.sha256(request)
    offset = r.integer_header(request, "Upload-Offset", default=0)
    literals = rebuilding.Literals(r.blocks(request))
    delta: deltas.Delta = codec.loads(await literals.line(), deltas.Delta)
    size = service.blobs.size(check_sha256(delta.base))
    if size is None:
        raise NotFoundError(f"blob {delta.base}, the base, is not here any more; send the whole blob")
    deltas.check(delta, size)
    body = rebuilding.rebuilt(service.blobs.path(delta.base), delta, literals)
    new = await service.blobs.receive(sha256, body, offset)
    await service.apply(BlobsArrived(now=service.clock(), blobs=frozenset({sha256})))
    return web.Response(status=201 if new else 200)


async def chunks(request: web.Request) -> web.Response:
    """How the blob is cut, so that somebody who has a similar one need not transfer all of it."""
    blobs, sha256 = r.service(request).blobs, r.sha256(request)
    if not blobs.has(sha256):
        raise NotFoundError(f"blob {sha256} is not here")
    if not chunking.available():
        raise NotFoundError("the coordinator cannot cut blobs: it has no numpy")
    return r.answer(await r.service(request).chunks.of(sha256, blobs.path(sha256)))


async def put_batch(request: web.Request) -> web.Response:
    """Many small blobs in one request, durable together."""
    service = r.service(request)
    batch = await r.batch(request)
    names = frozenset(sha256 for sha256, _ in batches.unpack(batch))
    new = await service.blobs.receive_batch(batch)
    await service.apply(BlobsArrived(now=service.clock(), blobs=names))
    return web.Response(status=201 if new else 200)


async def read_batch(request: web.Request) -> web.Response:
    """The small blobs that the body names, in one answer."""
    blobs = r.service(request).blobs
    names = await r.body(request, tuple[str, ...])
    if len(names) > BATCH_BLOBS:
        raise BadRequestError(f"body: {len(names)} blobs are more than the {BATCH_BLOBS} of a batch")
    for name in names:
        check_sha256(name)
    return web.Response(body=await asyncio.to_thread(_packed, blobs, names), content_type=batches.MEDIA_TYPE)


def _packed(blobs: Blobs, names: tuple[str, ...]) -> bytes:
    found = []
    for name in names:
        size = blobs.size(name)
        if size is None:
            raise NotFoundError(f"blob {name} is not here")
        if size > SMALL_BLOB:
            raise BadRequestError(f"blob {name} has {size} bytes: too large for a batch, get it by its own address")
        found.append(batches.pack(name, blobs.path(name).read_bytes()))
    return b"".join(found)


async def get(request: web.Request) -> web.StreamResponse:
    blobs, sha256 = r.service(request).blobs, r.sha256(request)
    if not blobs.has(sha256):
        raise NotFoundError(f"blob {sha256} is not here")
    return r.stored_file(request, blobs.path(sha256), sha256, "application/octet-stream")


ROUTES = [
    web.head("/api/blobs/{sha256}", head),
    web.put("/api/blobs/{sha256}", put),
    web.patch("/api/blobs/{sha256}", patch),
    web.get("/api/blobs/{sha256}/chunks", chunks, allow_head=False),
    web.post("/api/blobs", put_batch),
    web.post("/api/batches", read_batch),
    web.get("/api/blobs/{sha256}", get, allow_head=False),
]
