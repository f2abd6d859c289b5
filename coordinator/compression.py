"""Compression of what travels: zstandard, where it helps. Every Blender has the package."""

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from .constants import COMPRESSION, COMPRESSION_SAMPLE, COMPRESSION_WORTH, TRANSFER_BLOCK
from .errors import BadRequestError

_SLICE = 16 * 2**10  # compressed bytes that are expanded at once: little may become very much


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
    """Raises BadRequestError if the blocks are not zstandard, or end too early."""
    if not available():
        raise BadRequestError("header Content-Encoding: there is no zstandard here; send the body as it is")
    import zstandard

    stream = zstandard.ZstdDecompressor().decompressobj()
    try:
        async for block in blocks:
            for at in range(0, len(block), _SLICE):
                if unpacked := stream.decompress(block[at : at + _SLICE]):
                    yield unpacked
    except zstandard.ZstdError as error:
        raise BadRequestError(f"body: it is not compressed as its header says: {error}") from error
    if not stream.eof:
        raise BadRequestError("body: the compressed data end too early")
