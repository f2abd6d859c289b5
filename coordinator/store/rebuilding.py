"""A blob out of a base and a delta, as a stream of bytes that is stored and verified like any other upload."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from ..constants import MAX_JSON_BODY, TRANSFER_BLOCK
from ..errors import BadRequestError
from ..protocol.deltas import WHERE_NOT, Delta


class Literals:
    """The body of a delta: its line of JSON, and then the bytes that are new."""

    def __init__(self, blocks: AsyncIterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    async def line(self) -> bytes:
        """Raises BadRequestError if there is none."""
        parts: list[bytes] = []
        size = 0
        async for block in self._blocks:
            line, end, rest = block.partition(b"\n")
            parts.append(line)
            size += len(line)
            if end:
                self._rest = rest
                return b"".join(parts)
            if size > MAX_JSON_BODY:
                break
        raise BadRequestError("body: a delta begins with a line of JSON")

    async def take(self, size: int) -> AsyncIterator[bytes]:
        """The next bytes. Raises BadRequestError if there are fewer."""
        while size:
            if not self._rest:
                self._rest = await anext(self._blocks, b"")
                if not self._rest:
                    raise BadRequestError(f"body: the delta ends {size} bytes before its parts do")
            block, self._rest = self._rest[:size], self._rest[size:]
            size -= len(block)
            yield block


async def rebuilt(base: Path, delta: Delta, literals: Literals) -> AsyncIterator[bytes]:
    """The bytes of the new blob."""
    with base.open("rb") as file:
        for part in delta.parts:
            if part.offset == WHERE_NOT:
                async for block in literals.take(part.size):
                    yield block
                continue
            for at in range(part.offset, part.offset + part.size, 4 * TRANSFER_BLOCK):
                size = min(4 * TRANSFER_BLOCK, part.offset + part.size - at)
                yield await asyncio.to_thread(_read, file, at, size)


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)
