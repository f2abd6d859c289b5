"""Jobs to announce to a coordinator: small ones, whose .blend is none, for tests that do not render."""

import hashlib
import io
from typing import Any

import aiohttp

from coordinator.protocol import codec
from coordinator.protocol.jobs import Accepted, File, JobInfo, Manifest, RenderSettings

BLEND = b"BLENDER, or what stands for it"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(frames: str = "1-4", *, chunk: int = 2, files: dict[str, bytes] | None = None, **changes: Any) -> Manifest:
    files = {"scene.blend": BLEND} if files is None else files
    settings: dict[str, Any] = {"name": "job", "blender": "4.2"} | changes
    return Manifest(
        blend=next(iter(files)),
        files=tuple(File(path=path, sha256=sha256(data), size=len(data)) for path, data in files.items()),
        frames=frames,
        render=RenderSettings(scene="Scene", engine="CYCLES"),
        chunk=chunk,
        **settings,
    )


async def announce(http: aiohttp.ClientSession, job: Manifest) -> Accepted:
    async with http.post("/api/jobs", data=codec.dumps(job).encode()) as response:
        accepted: Accepted = codec.loads(await response.read(), Accepted)
    return accepted


async def upload(http: aiohttp.ClientSession, data: bytes, offset: int = 0) -> int:
    """Send a blob, or the rest of it from ``offset`` on; the status."""
    headers = {"Upload-Offset": str(offset)} if offset else {}
    async with http.put(f"/api/blobs/{sha256(data)}", data=io.BytesIO(data[offset:]), headers=headers) as response:
        return response.status


async def submit(http: aiohttp.ClientSession, job: Manifest | None = None) -> str:
    """Announce a job whose only file is BLEND, and send that; the job's id."""
    accepted = await announce(http, manifest() if job is None else job)
    if accepted.missing:
        assert await upload(http, BLEND) in (200, 201)
    return accepted.id


async def job_info(http: aiohttp.ClientSession, job: str) -> JobInfo:
    async with http.get(f"/api/jobs/{job}") as response:
        info: JobInfo = codec.loads(await response.read(), JobInfo)
    return info
