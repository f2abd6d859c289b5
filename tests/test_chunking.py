"""Chunks whose cuts follow the content."""

import hashlib
import random
from pathlib import Path

import pytest

from coordinator import chunking
from coordinator.protocol.deltas import Chunk

DATA = random.Random(4).randbytes(6_000_000)


def split(folder: Path, data: bytes) -> list[Chunk]:
    path = folder / "file"
    path.write_bytes(data)
    return chunking.split(path)


def test_chunks_are_the_file_in_its_order(tmp_path: Path) -> None:
    at = 0
    for chunk in split(tmp_path, DATA):
        assert hashlib.sha256(DATA[at : at + chunk.size]).hexdigest() == chunk.sha256
        at += chunk.size
    assert at == len(DATA)


@pytest.mark.parametrize("data", [b"", b"x", bytes(3_000_000), b"ab" * 700_000], ids=["empty", "one", "zeros", "ab"])
def test_any_content_has_chunks_of_bounded_size(tmp_path: Path, data: bytes) -> None:
    chunks = split(tmp_path, data)
    assert sum(chunk.size for chunk in chunks) == len(data)
    assert all(chunk.size <= chunking.MOST for chunk in chunks)
    assert all(chunk.size >= chunking.LEAST for chunk in chunks[:-1])


@pytest.mark.parametrize("at", [0, 100, 1_500_000, 5_999_990])
def test_what_is_inserted_changes_few_chunks(tmp_path: Path, at: int) -> None:
    before = {chunk.sha256 for chunk in split(tmp_path, DATA)}
    after = split(tmp_path, DATA[:at] + b"something new" + DATA[at:])
    assert 1 <= sum(chunk.sha256 not in before for chunk in after) <= 3


EXPECTED = [32768, 32768, 14750, 32768, 2766, 2131, 18319, 7799, 5854, 2571, 13438, 2667, 8201]


def test_cuts_are_a_part_of_the_protocol(tmp_path: Path) -> None:
    """Two versions that cut differently would find nothing in common: a change here needs a new protocol version."""
    sizes = [chunk.size for chunk in split(tmp_path, bytes(range(256)) * 300 + DATA[:100_000])]
    assert sizes == EXPECTED
