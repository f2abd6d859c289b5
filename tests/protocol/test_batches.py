"""Many blobs in one body."""

import hashlib

import pytest

from coordinator import errors
from coordinator.protocol import batches

DATA = [b"", b"one", b"two\n" * 100]
NAMES = [hashlib.sha256(data).hexdigest() for data in DATA]
BATCH = b"".join(batches.pack(name, data) for name, data in zip(NAMES, DATA, strict=True))


def test_what_is_packed_is_unpacked() -> None:
    assert list(batches.unpack(BATCH)) == list(zip(NAMES, DATA, strict=True)) == batches.verified(BATCH)
    assert list(batches.unpack(b"")) == []


@pytest.mark.parametrize("damaged", [BATCH[:-1], BATCH + b"x", b"no", BATCH[:30], b"0" * 64 + b" -1\n"])
def test_a_damaged_batch_is_refused(damaged: bytes) -> None:
    with pytest.raises(errors.BadRequestError, match="batch"):
        list(batches.unpack(damaged))


def test_wrong_bytes_are_refused_by_name() -> None:
    with pytest.raises(errors.BlobMismatchError, match=NAMES[1]):
        batches.verified(BATCH + batches.pack(NAMES[1], b"other"))
