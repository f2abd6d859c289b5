"""Small blobs over HTTP, many at a time, in and out."""

import hashlib
from pathlib import Path

import aiohttp
import pytest

from coordinator.client.parcels import Upload, parcels
from coordinator.constants import BATCH_BLOBS, BATCH_LEAST, SMALL_BLOB
from coordinator.errors import BlobMismatchError
from coordinator.protocol import batches, codec

from ..coordinators import RunningCoordinator
from ..submissions import manifest, sha256


def files(folder: Path, count: int) -> dict[str, Path]:
    made = {}
    for number in range(count):
        path = folder / f"{number}.txt"
        path.write_bytes(f"file {number}".encode())
        made[sha256(path.read_bytes())] = path
    return made


def test_small_files_arrive_and_the_job_is_queued(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    sources = files(tmp_path, 50)
    data = {path.name: path.read_bytes() for path in sources.values()}
    done: list[int] = []
    with coordinator.client as client:
        accepted = client.announce(manifest(files=data))
        assert set(accepted.missing) == sources.keys()
        client.upload_all(sources, done.append)
        assert client.job(accepted.id).state == "queued"
        assert client.announce(manifest(files=data, name="other")).missing == ()
    assert done[-1] == sum(map(len, data.values()))


async def test_they_are_read_in_one_request(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    sources = files(tmp_path, 10)
    with coordinator.client as client:
        client.upload_all(sources)
    async with http.post("/api/batches", data=codec.dumps(tuple(sources))) as response:
        found = batches.verified(await response.read())
    assert found == [(name, path.read_bytes()) for name, path in sources.items()]
    async with http.post("/api/batches", data=codec.dumps(("0" * 64,))) as response:
        assert response.status == 404 and "0" * 64 in await response.text()
    async with http.post("/api/batches", data=codec.dumps(("0" * 64,) * (BATCH_BLOBS + 1))) as response:
        assert response.status == 400


async def test_a_batch_with_wrong_bytes_changes_nothing(http: aiohttp.ClientSession) -> None:
    good, wrong = sha256(b"good"), sha256(b"wrong")
    async with http.post("/api/blobs", data=batches.pack(good, b"good") + batches.pack(wrong, b"x")) as response:
        assert response.status == 422 and wrong in (await response.json())["message"]
    async with http.head(f"/api/blobs/{good}") as response:
        assert response.status == 404
    async with http.post("/api/blobs", data=b"nonsense") as response:
        assert response.status == 400


def test_a_small_file_that_changed_is_named(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    sources = files(tmp_path, 20)
    changed = tmp_path / "7.txt"
    changed.write_bytes(b"changed")
    with coordinator.client as client, pytest.raises(BlobMismatchError, match=r"7\.txt changed"):
        client.upload_all(sources)


def test_how_files_are_put_together(tmp_path: Path) -> None:
    small = [Upload(path=path, sha256=name) for name, path in files(tmp_path, BATCH_LEAST).items()]
    large = tmp_path / "large"
    large.write_bytes(bytes(SMALL_BLOB + 1))
    one = Upload(path=large, sha256=hashlib.sha256(large.read_bytes()).hexdigest())
    assert parcels([*small, one]) == [small, [one]]
    assert parcels([one, *small[:2]]) == [[one], [small[0]], [small[1]]]
