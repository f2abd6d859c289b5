"""Batches: durable at once, and whole again after a crash."""

import hashlib
from pathlib import Path

import pytest

from coordinator import errors
from coordinator.protocol import batches
from coordinator.store.blobs import Blobs
from coordinator.store.journal import Journal

DATA = [f"file {number}".encode() for number in range(20)]
NAMES = [hashlib.sha256(data).hexdigest() for data in DATA]
BATCH = b"".join(batches.pack(name, data) for name, data in zip(NAMES, DATA, strict=True))


def make(root: Path) -> Journal:
    return Journal(root, lambda sha256: root / sha256[:2] / sha256)


def entries(root: Path) -> list[Path]:
    return list((root / "journal").iterdir())


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_batch_becomes_files_and_its_journal_goes(
    tmp_path: Path, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one sync of the file system, and file by file."""
    journal = make(tmp_path)
    new, entry = journal.store(BATCH)
    assert new == set(NAMES) and entries(tmp_path) == [entry]
    assert [(tmp_path / name[:2] / name).read_bytes() for name in NAMES] == DATA
    with monkeypatch.context() as patch:
        patch.setattr("sys.platform", platform)
        journal.settle([entry])
    assert entries(tmp_path) == []
    assert journal.store(BATCH)[0] == set()


def test_a_crash_before_the_files_are_on_the_disk_is_repaired_at_the_next_start(tmp_path: Path) -> None:
    make(tmp_path).store(BATCH)
    gone, short, empty = (tmp_path / name[:2] / name for name in NAMES[:3])
    gone.unlink()
    short.write_bytes(DATA[1][:3])
    empty.write_bytes(b"")
    (tmp_path / "journal" / "abc.partial").write_bytes(BATCH[:100])
    make(tmp_path)
    assert [(tmp_path / name[:2] / name).read_bytes() for name in NAMES] == DATA
    assert entries(tmp_path) == []


def test_wrong_bytes_store_nothing(tmp_path: Path) -> None:
    journal = make(tmp_path)
    with pytest.raises(errors.BlobMismatchError, match=NAMES[0]):
        journal.store(BATCH + batches.pack(NAMES[0], b"wrong"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_blobs_have_what_a_batch_brought(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    assert await blobs.receive_batch(BATCH) == set(NAMES)
    assert all(blobs.has(name) for name in NAMES)
