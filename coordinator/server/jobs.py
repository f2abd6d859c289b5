"""Handlers of jobs: announce, list, command; and of slaves and the version, which are lists too."""

from aiohttp import web
from attrs import evolve

from .. import __version__
from ..constants import PROTOCOL_VERSION
from ..errors import BadFramesError
from ..protocol.frames import FrameRange
from ..protocol.jobs import Explanation, Fact, JobChanges, Manifest, Status, Version
from ..protocol.limits import check_printable
from ..scheduling import explain
from ..scheduling.events import JobChanged, SlaveHealed
from ..scheduling.leases import find_job, find_slave
from ..store import records
from . import requests as r
from .reports import job_info, slave_info
from .service import Service

MAX_FRAMES = web.AppKey("max_frames", int)


async def version(_request: web.Request) -> web.Response:
    return r.answer(Version(netrender=__version__, protocol=PROTOCOL_VERSION))


async def status(request: web.Request) -> web.Response:
    problem = r.service(request).recovery.problem
    return r.answer(Status(netrender=__version__, protocol=PROTOCOL_VERSION, problem=problem))


async def announce(request: web.Request) -> web.Response:
    manifest: Manifest = await r.body(request, Manifest)
    check_frame_count(request, manifest)
    check_printable("name", manifest.name)
    accepted = await r.service(request).announce(manifest)
    return r.answer(accepted, status=201 if accepted.new else 200)


def check_frame_count(request: web.Request, manifest: Manifest) -> None:
    """Raises BadFramesError for a job, announced or restored, that has more frames than a job may have here."""
    frames, most = len(FrameRange.parse(manifest.frames)), request.app[MAX_FRAMES]
    if frames > most:
        raise BadFramesError(f"frames: {frames} are more than the {most} that a job may have here (--max-frames)")


async def all_jobs(request: web.Request) -> web.Response:
    jobs = sorted(r.service(request).farm.jobs.values(), key=lambda job: -job.order)
    infos = [job_info(r.service(request).farm, job) for job in jobs]
    await r.service(request).settled()
    return r.answer(infos)


async def one_job(request: web.Request) -> web.Response:
    service = r.service(request)
    info = job_info(service.farm, find_job(service.farm, r.job_id(request)))
    await service.settled()
    return r.answer(info)


async def change(request: web.Request) -> web.Response:
    service, job = r.service(request), r.job_id(request)
    changes: JobChanges = await r.body(request, JobChanges)
    await service.apply(JobChanged(now=service.clock(), job=job, changes=changes))
    return r.answer(job_info(service.farm, find_job(service.farm, job)))


async def why_job(request: web.Request) -> web.Response:
    service, job = r.service(request), r.job_id(request)
    found = find_job(service.farm, job)
    return r.answer(_full(service, job, found.manifest.name) or explain.job(service.farm, found))


async def why_slave(request: web.Request) -> web.Response:
    service = r.service(request)
    found = find_slave(service.farm, r.slave_id(request))
    return r.answer(_full(service, found.id, found.name) or explain.slave(service.farm, found))


def _full(service: Service, about: str, name: str) -> Explanation | None:
    """The one reason for everything while nothing can be kept: the farm is as it was, and knows nobody's connection."""
    if not service.recovery.problem:
        return None
    return Explanation(about=about, name=name, facts=(Fact(code="storage", text=service.recovery.problem),))


async def heal(request: web.Request) -> web.Response:
    service, slave = r.service(request), r.slave_id(request)
    await service.apply(SlaveHealed(now=service.clock(), slave=slave))
    return r.answer(slave_info(find_slave(service.farm, slave)))


async def manifest(request: web.Request) -> web.Response:
    return r.answer(find_job(r.service(request).farm, r.job_id(request)).manifest)


async def command(request: web.Request) -> web.Response:
    service, job = r.service(request), r.job_id(request)
    await service.command(job, request.match_info["command"])
    return r.answer(job_info(service.farm, find_job(service.farm, job)))


async def frames(request: web.Request) -> web.Response:
    service, job = r.service(request), r.job_id(request)
    find_job(service.farm, job)
    return r.answer(records.frames(service.farm, service.database, job))


async def slaves(request: web.Request) -> web.Response:
    service = r.service(request)
    everyone = sorted(service.farm.slaves.values(), key=lambda slave: (not slave.connected, slave.name))
    infos = [slave_info(slave) for slave in everyone]
    if service.recovery.problem:  # the farm was loaded again, and does not know that they are there
        infos = [evolve(info, connected=info.id in service.outboxes) for info in infos]
    return r.answer(infos)


ROUTES = [
    web.get("/api/version", version),
    web.get("/api/status", status),
    web.post("/api/jobs", announce),
    web.get("/api/jobs", all_jobs),
    web.get("/api/jobs/{job}", one_job),
    web.patch("/api/jobs/{job}", change),
    web.get("/api/jobs/{job}/why", why_job),
    web.get("/api/jobs/{job}/manifest", manifest),
    web.post("/api/jobs/{job}/{command:cancel|pause|resume|reset}", command),
    web.get("/api/jobs/{job}/frames", frames),
    web.get("/api/slaves", slaves),
    web.get("/api/slaves/{slave}/why", why_slave),
    web.post("/api/slaves/{slave}/heal", heal),
]
