"""Many small blobs in one body: for each ``SHA256 SIZE\\n`` and its bytes. No I/O."""

import hashlib
import re
from collections.abc import Iterator

from ..errors import BadRequestError, BlobMismatchError

MEDIA_TYPE = "application/vnd.netrender.batch"

_HEAD = re.compile(rb"([0-9a-f]{64}) ([0-9]{1,9})\n")


def pack(sha256: str, data: bytes) -> bytes:
    """One blob, to be joined to others."""
    return b"%s %d\n%s" % (sha256.encode(), len(data), data)


def unpack(batch: bytes) -> Iterator[tuple[str, bytes]]:
    """The blobs, their bytes unverified. Raises BadRequestError if the batch is damaged or cut."""
    at = 0
    while at < len(batch):
        head = _HEAD.match(batch, at)
        if head is None:
            raise BadRequestError(f"body: byte {at} of the batch does not begin with a SHA-256 and a size")
        at = head.end() + int(head[2])
        if at > len(batch):
            raise BadRequestError(f"body: the batch ends in the middle of blob {head[1].decode()}")
        yield head[1].decode(), batch[head.end() : at]


def verified(batch: bytes) -> list[tuple[str, bytes]]:
    """The blobs; every one has the SHA-256 of its name. Raises BlobMismatchError for the first that has not."""
    blobs = list(unpack(batch))
    for sha256, data in blobs:
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise BlobMismatchError(f"blob {sha256}: the bytes that came have SHA-256 {found}; did the file change?")
    return blobs
