"""Handlers of archives: a job that is over as one file, and back."""

import asyncio
import tarfile
import tempfile
from pathlib import Path

from aiohttp import web

from ..errors import ConflictError, NotFoundError, StorageError
from ..protocol.states import ENDED
from ..scheduling.events import JobRestored
from ..scheduling.step import find_job
from ..store import archive, records
from . import requests as r
from .reports import job_info
from .service import Service


async def get(request: web.Request) -> web.StreamResponse:
    service, job_id = r.service(request), r.job_id(request)
    job = find_job(service.farm, job_id)
    if job.state not in ENDED:
        raise ConflictError(f"job {job_id} is {job.state}: only a job that is over can be archived")
    frames = tuple(records.frames(service.farm, service.database, job_id))
    about = archive.About(manifest=job.manifest, job=job_info(service.farm, job), frames=frames)

    def entries() -> list[archive.Entry]:
        return list(
            archive.entries(
                about, service.blobs.path, service.results.path, lambda frame: service.logs.path(job_id, frame)
            )
        )

    try:
        files = await asyncio.to_thread(entries)
    except FileNotFoundError as error:
        gone = Path(str(error.filename)).name
        raise NotFoundError(f"job {job_id}: blob {gone} was dropped for lack of room; submit it again first") from error
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/x-tar",
            "Content-Length": str(archive.length(about, files)),
            "Content-Disposition": f'attachment; filename="{job_id}.tar"',
        }
    )
    await response.prepare(request)
    blocks = archive.blocks(about, files)
    while block := await asyncio.to_thread(next, blocks, b""):
        await response.write(block)
    return response


async def post(request: web.Request) -> web.Response:
    """Take an archive in: its blobs and results, each verified by its SHA-256, and then the job."""
    service = r.service(request)
    with _temporary(service) as path:
        try:
            with path.open("wb") as file:
                async for block in r.blocks(request):
                    await asyncio.to_thread(file.write, block)
        except ConnectionError:
            raise
        except OSError as error:
            raise StorageError(f"archive: {error.strerror}; make room at the coordinator") from error
        about = await asyncio.to_thread(archive.about, path)
        with tarfile.open(path, "r:") as opened:
            for name, sha256, is_result in archive.contents(about):
                blobs = service.results if is_result else service.blobs
                if not blobs.has(sha256):
                    await blobs.receive(sha256, archive.member(opened, name))
    new = about.manifest.id not in service.farm.jobs
    if new:
        await service.apply(
            JobRestored(now=service.clock(), manifest=about.manifest, job=about.job, frames=about.frames)
        )
    return r.answer(job_info(service.farm, find_job(service.farm, about.manifest.id)), status=201 if new else 200)


class _temporary:
    """A file beside the blobs, as a disk of its own may be too small."""

    def __init__(self, service: Service) -> None:
        self._folder = service.blobs.folder

    def __enter__(self) -> Path:
        self._file = tempfile.NamedTemporaryFile(dir=self._folder, prefix="archive-", suffix=".partial", delete=False)
        self._file.close()
        return Path(self._file.name)

    def __exit__(self, *_: object) -> None:
        Path(self._file.name).unlink(missing_ok=True)


ROUTES = [
    web.get("/api/jobs/{job}/archive", get, allow_head=False),
    web.post("/api/archives", post),
]
