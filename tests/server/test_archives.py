"""A job that is over as one file, and back on another coordinator."""

import tarfile
from pathlib import Path

import aiohttp
import pytest
from attrs import evolve

from coordinator.client import Client
from coordinator.errors import BadRequestError, BlobMismatchError, ConflictError

from ..coordinators import RunningCoordinator, running_coordinator
from ..slaves import FakeSlave
from ..submissions import BLEND, manifest, submit


async def finished(coordinator: RunningCoordinator) -> str:
    async with aiohttp.ClientSession(coordinator.url) as http:
        job = await submit(http, manifest("1-2", chunk=2))
    async with FakeSlave(coordinator.url, "anna") as anna:
        await anna.render(await anna.work())
    return job


async def test_out_and_back(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    job = await finished(coordinator)
    file = tmp_path / "job.tar"
    with coordinator.client as client:
        assert client.archive(job, file) == file.stat().st_size
        before, frames = client.job(job), client.frames(job)
    with tarfile.open(file) as archive:
        names = archive.getnames()
        assert names[:2] == ["job.json", "sources/scene.blend"] and "results/0001.exr" in names
        source = archive.extractfile("sources/scene.blend")
        assert source is not None and source.read() == BLEND
    for expected in (before, evolve(before, slaves={})):  # then from its database, which has no other farm's slaves
        with running_coordinator(tmp_path / "other") as other, other.client as client:
            assert client.restore(file) == expected == client.job(job)
            assert [frame.sha256 for frame in client.frames(job)] == [frame.sha256 for frame in frames]
            assert client.result(job, 1, tmp_path / "1.exr") == frames[0].sha256


async def test_only_what_is_over_and_whole(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    async with aiohttp.ClientSession(coordinator.url) as http:
        waiting = await submit(http, manifest("1-9", name="waiting"))
    with coordinator.client as client:
        with pytest.raises(ConflictError, match="queued"):
            client.archive(waiting, tmp_path / "x.tar")
        assert not (tmp_path / "x.tar").exists()
        _refused(client, tmp_path, b"this is no tar file")


async def test_wrong_bytes_in_an_archive_are_refused(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    file = tmp_path / "job.tar"
    job = await finished(coordinator)
    with coordinator.client as client:
        client.archive(job, file)
    data = file.read_bytes().replace(BLEND, BLEND[::-1])
    file.write_bytes(data)
    with running_coordinator(tmp_path / "other") as other, other.client as client:
        with pytest.raises(BlobMismatchError):
            client.restore(file)
        assert client.jobs() == []


def _refused(client: Client, folder: Path, data: bytes) -> None:
    path = folder / "bad.tar"
    path.write_bytes(data)
    with pytest.raises(BadRequestError, match="no archive"):
        client.restore(path)
