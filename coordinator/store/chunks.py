"""How blobs are cut: computed when somebody asks, and remembered for those who ask next."""

import asyncio
from collections import OrderedDict
from pathlib import Path

from .. import chunking
from ..errors import StorageError
from ..protocol.deltas import Chunk

KEPT = 16  # lists; one of a gigabyte has some ten thousand entries


class ChunkLists:
    """The chunks of the blobs that were asked for last. A blob never changes, so neither does its list."""

    def __init__(self) -> None:
        self._lists: OrderedDict[str, asyncio.Task[tuple[Chunk, ...]]] = OrderedDict()

    async def of(self, sha256: str, path: Path) -> tuple[Chunk, ...]:
        """Raises StorageError if the blob cannot be read."""
        if sha256 not in self._lists:
            self._lists[sha256] = asyncio.create_task(_split(path), name=f"chunks of {sha256[:8]}")
        self._lists.move_to_end(sha256)
        while len(self._lists) > KEPT:
            self._lists.popitem(last=False)
        try:
            return await asyncio.shield(self._lists[sha256])
        except StorageError:
            self._lists.pop(sha256, None)
            raise


async def _split(path: Path) -> tuple[Chunk, ...]:
    try:
        return tuple(await asyncio.to_thread(chunking.split, path))
    except OSError as error:
        raise StorageError(f"blob {path.name} cannot be read: {error.strerror}") from error
