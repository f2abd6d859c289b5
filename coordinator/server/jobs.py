"""Handlers of jobs: announce, list, command; and of slaves and the version, which are lists too."""

from aiohttp import web

from .. import __version__
from ..constants import PROTOCOL_VERSION
from ..errors import BadFramesError
from ..protocol.frames import FrameRange
from ..protocol.jobs import Manifest, Version
from ..scheduling.step import find_job
from ..store import records
from . import requests as r
from .reports import job_info, slave_info

MAX_FRAMES = web.AppKey("max_frames", int)


async def version(_request: web.Request) -> web.Response:
    return r.answer(Version(netrender=__version__, protocol=PROTOCOL_VERSION))


async def announce(request: web.Request) -> web.Response:
    manifest: Manifest = await r.body(request, Manifest)
    frames, most = len(FrameRange.parse(manifest.frames)), request.app[MAX_FRAMES]
    if frames > most:
        raise BadFramesError(f"frames: {frames} are more than the {most} that a job may have here (--max-frames)")
    accepted = await r.service(request).announce(manifest)
    return r.answer(accepted, status=201 if accepted.new else 200)


async def all_jobs(request: web.Request) -> web.Response:
    jobs = sorted(r.service(request).farm.jobs.values(), key=lambda job: -job.order)
    infos = [job_info(job) for job in jobs]
    await r.service(request).settled()
    return r.answer(infos)


async def one_job(request: web.Request) -> web.Response:
    info = job_info(find_job(r.service(request).farm, r.job_id(request)))
    await r.service(request).settled()
    return r.answer(info)


async def manifest(request: web.Request) -> web.Response:
    return r.answer(find_job(r.service(request).farm, r.job_id(request)).manifest)


async def command(request: web.Request) -> web.Response:
    service, job = r.service(request), r.job_id(request)
    await service.command(job, request.match_info["command"])
    return r.answer(job_info(find_job(service.farm, job)))


async def frames(request: web.Request) -> web.Response:
    service, job = r.service(request), r.job_id(request)
    find_job(service.farm, job)
    return r.answer(records.frames(service.farm, service.database, job))


async def slaves(request: web.Request) -> web.Response:
    everyone = sorted(r.service(request).farm.slaves.values(), key=lambda slave: (not slave.connected, slave.name))
    return r.answer([slave_info(slave) for slave in everyone])


ROUTES = [
    web.get("/api/version", version),
    web.post("/api/jobs", announce),
    web.get("/api/jobs", all_jobs),
    web.get("/api/jobs/{job}", one_job),
    web.get("/api/jobs/{job}/manifest", manifest),
    web.post("/api/jobs/{job}/{command:cancel|pause|resume|reset}", command),
    web.get("/api/jobs/{job}/frames", frames),
    web.get("/api/slaves", slaves),
]
