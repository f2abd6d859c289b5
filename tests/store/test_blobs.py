"""Content-addressed files."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from coordinator.errors import BadRequestError, BlobMismatchError, StorageError, WrongOffsetError
from coordinator.store.blobs import Blobs
from coordinator.store.logs import Logs

DATA = random.Random(1).randbytes(3_000_000)
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


async def body(*blocks: bytes, breaks: bool = False) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block
    if breaks:
        raise ConnectionResetError("cut")


def files(blobs: Blobs) -> Sequence[Path]:
    return [path for path in blobs.path(SHA).parent.parent.rglob("*") if path.is_file()]


NO_NAMES = ["../../x", "/etc/passwd", "", "..", "partial", "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 62 + "/x", "\0"]


@pytest.mark.parametrize("name", NO_NAMES)
async def test_no_name_but_a_sha256_is_that_of_a_blob(blobs: Blobs, tmp_path: Path, name: str) -> None:
    for ask in (blobs.path, blobs.has, blobs.size, blobs.arrived, blobs.discard, lambda name: blobs.used([name])):
        with pytest.raises(BadRequestError, match="SHA-256"):
            ask(name)
    with pytest.raises(BadRequestError, match="SHA-256"):
        await blobs.receive(name, body(b"x"))
    assert files(blobs) == []


@pytest.mark.parametrize("job", ["../../x", "/etc/passwd", "", "..", "a" * 15, "A" * 16, "a" * 16 + "\n"])
def test_no_name_but_a_jobs_id_is_that_of_logs(tmp_path: Path, job: str) -> None:
    logs = Logs(tmp_path / "logs")
    with pytest.raises(BadRequestError, match="16 hexadecimal digits"):
        logs.path(job, 1)
    with pytest.raises(BadRequestError, match="16 hexadecimal digits"):
        logs.append(job, 1, 1, "anna", b"text")
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_of_an_archive_goes_at_the_next_start(blobs: Blobs) -> None:
    left = blobs.temporary()
    half = blobs.path(SHA).parent.parent / "partial" / SHA
    half.write_bytes(DATA[:10])
    Blobs(half.parent.parent)
    assert half.exists() and not left.exists()


async def test_a_blob_is_kept_under_its_name(blobs: Blobs) -> None:
    assert await blobs.receive(SHA, body(DATA[:10], DATA[10:]))
    assert blobs.path(SHA).read_bytes() == DATA and blobs.size(SHA) == len(DATA)
    assert files(blobs) == [blobs.path(SHA)], "nothing else is left"


async def test_the_same_blob_again_is_read_to_its_end_and_not_new(blobs: Blobs) -> None:
    await blobs.receive(SHA, body(DATA))
    again = body(DATA)
    assert not await blobs.receive(SHA, again)
    with pytest.raises(StopAsyncIteration):
        await anext(again)


async def test_an_upload_that_was_cut_goes_on_where_it_ended(blobs: Blobs) -> None:
    with pytest.raises(ConnectionResetError):
        await blobs.receive(SHA, body(DATA[:2_000_000], DATA[2_000_000:2_000_007], breaks=True))
    assert blobs.arrived(SHA) == 2_000_007 and not blobs.has(SHA)
    with pytest.raises(WrongOffsetError, match="2000007"):
        await blobs.receive(SHA, body(DATA[5:]), offset=5)
    assert await blobs.receive(SHA, body(DATA[2_000_007:]), offset=2_000_007)
    assert blobs.path(SHA).read_bytes() == DATA


async def test_offset_zero_starts_over(blobs: Blobs) -> None:
    with pytest.raises(ConnectionResetError):
        await blobs.receive(SHA, body(b"rubbish", breaks=True))
    assert await blobs.receive(SHA, body(DATA))
    assert blobs.path(SHA).read_bytes() == DATA


async def test_wrong_bytes_are_dropped(blobs: Blobs) -> None:
    with pytest.raises(BlobMismatchError, match=SHA):
        await blobs.receive(SHA, body(DATA, b"more"))
    assert files(blobs) == []


async def test_two_uploads_of_one_blob_at_once(blobs: Blobs) -> None:
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield DATA[:100]
        await gate.wait()
        yield DATA[100:]

    first = asyncio.create_task(blobs.receive(SHA, slow()))
    second = asyncio.create_task(blobs.receive(SHA, body(DATA)))
    gate.set()
    assert sorted(await asyncio.gather(first, second)) == [False, True]
    assert blobs.path(SHA).read_bytes() == DATA


async def test_an_empty_blob(blobs: Blobs) -> None:
    empty = hashlib.sha256(b"").hexdigest()
    assert await blobs.receive(empty, body())
    assert blobs.size(empty) == 0


async def test_a_disk_that_is_full_is_told_and_what_came_is_kept(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("coordinator.store.blobs._append", full)
        with pytest.raises(StorageError, match=r"No space left on device.*make room"):
            await blobs.receive(SHA, body(DATA))
    assert not blobs.has(SHA)
    assert await blobs.receive(SHA, body(DATA))
