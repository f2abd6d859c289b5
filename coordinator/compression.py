"""Compression of what travels: zstandard, where it helps. Every Blender has the package."""

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from .constants import COMPRESSION, COMPRESSION_SAMPLE, COMPRESSION_WINDOW, COMPRESSION_WORTH, TRANSFER_BLOCK
from .errors import BadRequestError

_SLICE = 16 * 2**10  # compressed bytes that are handed to zstandard at once


def available() -> bool:
    try:
        import zstandard  # noqa: F401
    except ImportError:
        return False
    return True


def worth_it(path: Path) -> bool:
    """Whether a sample from the file's middle becomes smaller. Raises OSError."""
    if not available():
        return False
    import zstandard

    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size // 2 - COMPRESSION_SAMPLE // 2))
        sample = file.read(COMPRESSION_SAMPLE)
    return len(zstandard.ZstdCompressor(COMPRESSION).compress(sample)) < COMPRESSION_WORTH * len(sample)


def compressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    import zstandard

    stream = zstandard.ZstdCompressor(COMPRESSION).compressobj()
    for block in blocks:
        if packed := stream.compress(block):
            yield packed
    yield stream.flush()


def unpack(source: BinaryIO, target: BinaryIO) -> None:
    """A whole file, of any number of frames. Raises ValueError if it is damaged, OSError if it cannot be written."""
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True, closefd=False) as stream:
            while block := stream.read(TRANSFER_BLOCK):
                target.write(block)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


async def decompressed(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Expand a body to blocks of TRANSFER_BLOCK at most, however much each of its bytes becomes.

    Raises BadRequestError if the blocks are not zstandard, or end too early.
    """
    if not available():
        raise BadRequestError("header Content-Encoding: there is no zstandard here; send the body as it is")
    import zstandard

    arrived = _Arrived()
    expander = zstandard.ZstdDecompressor(max_window_size=COMPRESSION_WINDOW)
    # Anything with `read` will do; the stubs ask for a whole file.
    expanding = expander.read_to_iter(arrived, read_size=_SLICE, write_size=TRANSFER_BLOCK)  # type: ignore[arg-type]
    ended = False
    try:
        async for block in blocks:
            arrived.rest = memoryview(block)
            while arrived.rest and not ended:
                try:
                    while unpacked := next(expanding, b""):
                        yield unpacked
                    ended = True
                except BlockingIOError:
                    pass  # the block is used up
            if arrived.rest:
                raise BadRequestError("body: something follows the end of the compressed data")
    except zstandard.ZstdError as error:
        raise BadRequestError(f"body: it is not compressed as its header says: {error}") from error
    if not ended:
        raise BadRequestError("body: the compressed data end too early")


class _Arrived:
    """What of a block is not expanded yet, as a file that would have to wait at its end."""

    def __init__(self) -> None:
        self.rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self.rest:
            raise BlockingIOError
        found, self.rest = self.rest[:size], self.rest[size:]
        return bytes(found)
