"""What goes in one request: a large file, or a batch of small ones."""

import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import frozen

from .. import errors
from ..constants import BATCH_BLOBS, BATCH_BYTES, BATCH_LEAST, SMALL_BLOB
from ..protocol import batches
from .connection import Connection

Count = Callable[["Upload", int], None]  # a file, and how many bytes of it the coordinator has


@frozen(kw_only=True)
class Upload:
    path: Path
    sha256: str
    base: str = ""  # a blob that the coordinator has, and that may have much in common with this one


def parcels(blobs: Iterable[Upload]) -> list[list[Upload]]:
    """Batches of small files and single large ones, about in their order; a few small ones are no batch."""
    found: list[list[Upload]] = []
    batch: list[Upload] = []
    room = 0
    for blob in blobs:
        size = size_of(blob.path)
        if size > SMALL_BLOB:
            found.append([blob])
            continue
        if not batch or len(batch) == BATCH_BLOBS or size > room:
            batch, room = [], BATCH_BYTES
            found.append(batch)
        batch.append(blob)
        room -= size
    return [one for parcel in found for one in (_singly(parcel) if len(parcel) < BATCH_LEAST else [parcel])]


def _singly(parcel: list[Upload]) -> list[list[Upload]]:
    return [[blob] for blob in parcel]


def send_batch(connection: Connection, parcel: list[Upload], count: Count) -> None:
    """Send small files in one request. Raises BlobMismatchError if one has changed; nothing is stored then."""
    packed, sizes = [], []
    for blob in parcel:
        try:
            data = blob.path.read_bytes()
        except OSError as error:
            raise unreadable(blob.path, error) from error
        packed.append(batches.pack(blob.sha256, data))
        sizes.append(len(data))
    headers = {"Content-Type": batches.MEDIA_TYPE}
    connection.request("POST", "/api/blobs", data=b"".join(packed), headers=headers)
    for blob, size in zip(parcel, sizes, strict=True):
        count(blob, size)


def size_of(path: Path) -> int:
    """Raises StorageError; also for what took a file's place and is none: opening a pipe would never end."""
    try:
        found = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise errors.StorageError(f"{path} is not a file any more; put it back, and submit again")
    return found.st_size


def unreadable(path: Path, error: OSError) -> errors.StorageError:
    return errors.StorageError(f"{path} cannot be read: {error.strerror}; put it back, and submit again")
