"""Handlers of blobs: resumable upload, as in draft-ietf-httpbis-resumable-upload, and download with ranges."""

from aiohttp import web

from ..errors import NotFoundError
from ..scheduling.events import BlobArrived
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
    await service.apply(BlobArrived(now=service.clock(), sha256=sha256))
    return web.Response(status=201 if new else 200)


async def get(request: web.Request) -> web.StreamResponse:
    blobs, sha256 = r.service(request).blobs, r.sha256(request)
    if not blobs.has(sha256):
        raise NotFoundError(f"blob {sha256} is not here")
    return r.stored_file(request, blobs.path(sha256), sha256, "application/octet-stream")


ROUTES = [
    web.head("/api/blobs/{sha256}", head),
    web.put("/api/blobs/{sha256}", put),
    web.get("/api/blobs/{sha256}", get, allow_head=False),
]
