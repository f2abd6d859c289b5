"""What has changed in a file since an earlier version of it that the coordinator has."""

import logging
from collections.abc import Sequence

from attrs import frozen

from .. import chunking, errors
from ..constants import DELTA_WORTH
from ..protocol import deltas
from ..protocol.deltas import WHERE_NOT, Chunk, Delta
from .connection import Connection
from .parcels import Upload, unreadable

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class Changes:
    """A file's chunks, and where the base has the same."""

    base: str
    chunks: Sequence[Chunk]
    there: dict[str, int]

    @classmethod
    def of(cls, connection: Connection, blob: Upload) -> "Changes | None":
        """None if the file is better sent whole. Raises StorageError if it cannot be read."""
        if not chunking.available():
            return None
        try:
            response = connection.request("GET", f"/api/blobs/{blob.base}/chunks")
        except errors.NotFoundError as error:
            logger.info("%s is sent whole: %s", blob.path, error.message)
            return None
        theirs: list[Chunk] = connection.decode(response, list[Chunk])
        try:
            chunks = chunking.split(blob.path)
        except OSError as error:
            raise unreadable(blob.path, error) from error
        there = deltas.offsets(theirs)
        size = sum(chunk.size for chunk in chunks)
        new = sum(chunk.size for chunk in chunks if chunk.sha256 not in there)
        logger.info("%s: %d of %d bytes are new since blob %s", blob.path, new, size, blob.base[:8])
        return cls(base=blob.base, chunks=chunks, there=there) if new < DELTA_WORTH * size else None

    def since(self, offset: int) -> tuple[bytes, list[tuple[int, int]]]:
        """The head of a delta from this byte of the file on, and the ranges of the file that follow it."""
        parts = deltas.parts(self.chunks, self.there, offset)
        ranges, at = [], offset
        for part in parts:
            if part.offset == WHERE_NOT:
                ranges.append((at, at + part.size))
            at += part.size
        return deltas.head(Delta(base=self.base, parts=parts)), ranges
