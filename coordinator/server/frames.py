"""Handlers of one frame: its result and its log, in and out."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from ..constants import SMALL_BLOB
from ..errors import BadRequestError, FrameFailedError, NotFoundError
from ..protocol.jobs import FrameInfo
from ..protocol.limits import check_sha256
from ..protocol.messages import LogAppended
from ..protocol.states import FrameState
from ..scheduling.events import FrameDone
from ..scheduling.step import check_lease, find_job
from ..store import records
from . import requests as r


async def put_result(request: web.Request) -> web.Response:
    service = r.service(request)
    job, frame = r.job_id(request), r.frame(request)
    lease, slave = r.integer_header(request, "Netrender-Lease"), r.header(request, "Netrender-Slave")
    seconds = r.seconds_header(request, "Netrender-Seconds")
    sha256 = check_sha256(r.header(request, "Netrender-SHA256"))
    check_lease(service.farm, slave, lease, frame, job)  # before megabytes are read for nothing; step checks again
    if 0 < (request.content_length or 0) <= SMALL_BLOB and "Content-Encoding" not in request.headers:
        data = await r.small(request)
        await service.results.receive_small(sha256, data)
        size = len(data)
    else:
        await service.results.receive(sha256, _body(request))
        size = service.results.size(sha256) or 0
    await service.apply(
        FrameDone(
            now=service.clock(),
            slave=slave,
            lease=lease,
            job=job,
            frame=frame,
            seconds=seconds,
            sha256=sha256,
            size=size,
        )
    )
    service.logs.forget(job, frame)
    return web.Response(status=204)


async def get_result(request: web.Request) -> web.StreamResponse:
    info = _frame_info(request)
    if info.state is FrameState.ERROR:
        raise FrameFailedError(f"frame {info.frame} failed {info.attempts} times, last on {info.slave}: {info.error}")
    if info.state is not FrameState.DONE:
        return web.Response(status=204)
    return r.stored_file(request, r.service(request).results.path(info.sha256), info.sha256, "image/x-exr")


async def post_log(request: web.Request) -> web.Response:
    service = r.service(request)
    job, frame = r.job_id(request), r.frame(request)
    lease, slave = r.integer_header(request, "Netrender-Lease"), r.header(request, "Netrender-Slave")
    check_lease(service.farm, slave, lease, frame, job)
    name = service.farm.slaves[slave].name
    size = await asyncio.to_thread(service.logs.append, job, frame, lease, name, await request.read())
    service.watchers.tell(LogAppended(job=job, frame=frame, size=size))
    return web.Response(status=204)


async def get_log(request: web.Request) -> web.StreamResponse:
    info = _frame_info(request)
    path = r.service(request).logs.path(r.job_id(request), info.frame)
    if not path.is_file():
        raise NotFoundError(f"frame {info.frame} has no log yet")
    return web.FileResponse(path, headers={"Content-Type": "text/plain; charset=utf-8"})


def _frame_info(request: web.Request) -> FrameInfo:
    service, job, frame = r.service(request), r.job_id(request), r.frame(request)
    find_job(service.farm, job)
    try:
        return records.frame(service.farm, service.database, job, frame)
    except KeyError:
        raise NotFoundError(f"job {job} has no frame {frame}") from None


def _body(request: web.Request) -> AsyncIterator[bytes]:
    if not request.can_read_body:
        raise BadRequestError("body: the result is missing")
    return r.blocks(request)


ROUTES = [
    web.put("/api/jobs/{job}/frames/{frame}/result", put_result),
    web.get("/api/jobs/{job}/frames/{frame}/result", get_result),
    web.post("/api/jobs/{job}/frames/{frame}/log", post_log),
    web.get("/api/jobs/{job}/frames/{frame}/log", get_log),
]
