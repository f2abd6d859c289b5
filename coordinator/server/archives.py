"""Handlers of archives: a job that is over as one file, and back."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aiohttp import web

from ..errors import BadRequestError, ConflictError, NotFoundError, StorageError
from ..protocol.limits import check_printable
from ..protocol.states import ENDED
from ..scheduling.events import JobRestored
from ..scheduling.step import find_job
from ..store import archive, records
from . import requests as r
from .jobs import check_frame_count
from .reports import job_info
from .service import Service


async def get(request: web.Request) -> web.StreamResponse:
    service, job_id = r.service(request), r.job_id(request)
    find_job(service.farm, job_id)
    await service.settled()  # the frames are read from the database, and have to be those of the job as it is now
    job = find_job(service.farm, job_id)
    if job.state not in ENDED:
        raise ConflictError(f"job {job_id} is {job.state}: only a job that is over can be archived")
    frames = tuple(records.frames(service.farm, service.database, job_id))
    about = archive.About(manifest=job.manifest, job=job_info(service.farm, job), frames=frames)

    def entries() -> tuple[bytes, list[archive.Entry], int]:
        text = archive.text(about)
        files = list(
            archive.entries(
                about, service.blobs.path, service.results.path, lambda frame: service.logs.path(job_id, frame)
            )
        )
        return text, files, archive.length(text, files)

    try:
        text, files, length = await asyncio.to_thread(entries)
    except FileNotFoundError as error:
        gone = Path(str(error.filename)).name
        raise NotFoundError(f"job {job_id}: blob {gone} was dropped for lack of room; submit it again first") from error
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/x-tar",
            "Content-Length": str(length),
            "Content-Disposition": f'attachment; filename="{job_id}.tar"',
        }
    )
    await response.prepare(request)
    blocks = archive.blocks(text, files)
    while block := await asyncio.to_thread(next, blocks, b""):
        await response.write(block)
    return response


async def post(request: web.Request) -> web.Response:
    """Take an archive in: its blobs and results, each verified by its SHA-256, its logs, and then the job."""
    service = r.service(request)
    with _temporary(service) as path:
        await _receive(request, path)
        try:
            found = await asyncio.to_thread(archive.read, path)
            check_frame_count(request, found.about.manifest)
            _check_names(found.about)
            await _store(service, found)
            job = found.about.manifest.id
            new = job not in service.farm.jobs
            if new:
                await asyncio.to_thread(_restore_logs, service, found)
        except OSError as error:
            raise StorageError(f"archive: {error.strerror or error}; send it again") from error
    if new:
        about = found.about
        await service.apply(
            JobRestored(now=service.clock(), manifest=about.manifest, job=about.job, frames=about.frames)
        )
    return r.answer(job_info(service.farm, find_job(service.farm, job)), status=201 if new else 200)


def _check_names(about: archive.About) -> None:
    """Raises BadRequestError for a name that cannot be shown: of the job, or of a slave that rendered it."""
    check_printable("manifest.name", about.manifest.name)
    check_printable("job.name", about.job.name)
    for slave in (*about.job.slaves, *about.job.barred, *(frame.slave for frame in about.frames)):
        check_printable("slave", slave)


async def _receive(request: web.Request, path: Path) -> None:
    try:
        with path.open("wb") as file:
            async for block in r.blocks(request):
                await asyncio.to_thread(file.write, block)
    except ConnectionError:
        raise
    except OSError as error:
        raise _no_room(error) from error


async def _store(service: Service, found: archive.Archive) -> None:
    """Raises BadRequestError for what is neither here nor in the archive, BlobMismatchError for wrong bytes."""
    for content in found.contents:
        blobs = service.results if content.result else service.blobs
        if not blobs.has(content.sha256):
            if content.member is None:
                raise BadRequestError(f"body: the archive has no {content.name}")
            await blobs.receive(content.sha256, archive.content(found.path, content.member))


def _restore_logs(service: Service, found: archive.Archive) -> None:
    for frame in found.logs:
        service.logs.restore(found.about.manifest.id, frame, found.log(frame))


def _no_room(error: OSError) -> StorageError:
    return StorageError(f"archive: {error.strerror or error}; make room at the coordinator")


@contextmanager
def _temporary(service: Service) -> Iterator[Path]:
    """A file beside the blobs, as a disk of its own may be too small."""
    try:
        path = service.blobs.temporary()
    except OSError as error:
        raise _no_room(error) from error
    try:
        yield path
    finally:
        with suppress(OSError):  # on Windows, a virus scanner may read it; the next start removes it
            path.unlink(missing_ok=True)


ROUTES = [
    web.get("/api/jobs/{job}/archive", get, allow_head=False),
    web.post("/api/archives", post),
]
