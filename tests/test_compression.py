"""What arrives compressed is expanded a block at a time, whatever it becomes."""

import random
from collections.abc import AsyncIterator

import aiohttp
import pytest
import zstandard

from coordinator import compression
from coordinator.constants import BATCH_BYTES, COMPRESSION, TRANSFER_BLOCK
from coordinator.errors import BadRequestError

from .coordinators import RunningCoordinator

RANDOM = random.Random(11)
DATA = RANDOM.randbytes(20_000) + bytes(1_000_000) + RANDOM.randbytes(2_000)


def bomb(blocks: int) -> bytes:
    """Four bytes for each 128 KiB: a frame of blocks that repeat one byte."""
    size = 128 * 2**10
    middle, last = (((size << 3) | (1 << 1) | end).to_bytes(3, "little") + b"\0" for end in (0, 1))
    return b"\x28\xb5\x2f\xfd\x00\x58" + (blocks - 1) * middle + last


def packed(data: bytes, *, checksum: bool = False) -> bytes:
    stream = zstandard.ZstdCompressor(COMPRESSION, write_checksum=checksum).compressobj()
    return stream.compress(data) + stream.flush()


async def _cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def expanded(data: bytes, size: int = 2**16) -> bytes:
    return b"".join([block async for block in compression.decompressed(_cut(data, size))])


@pytest.mark.parametrize("size", [1, 7, 2**14, 2**16, 2**24])
@pytest.mark.parametrize("data", [b"", b"a", DATA])
@pytest.mark.parametrize("checksum", [False, True])
async def test_it_arrives_whole_wherever_it_is_cut(size: int, data: bytes, checksum: bool) -> None:
    body = packed(data, checksum=checksum)
    assert await expanded(body, size) == data
    assert await expanded(zstandard.ZstdCompressor().compress(data), size) == data
    with pytest.raises(BadRequestError, match="end too early"):
        await expanded(body[:-1], size)
    with pytest.raises(BadRequestError, match="something follows"):
        await expanded(body + bytes(2**15), size)


async def test_nothing_at_all_is_no_frame() -> None:
    with pytest.raises(BadRequestError, match="end too early"):
        await expanded(b"")


@pytest.mark.parametrize("size", [1, 2**14, 2**24])
async def test_no_block_is_larger_than_those_of_a_file(size: int) -> None:
    sizes = [len(block) async for block in compression.decompressed(_cut(bomb(400), size))]
    assert max(sizes) <= TRANSFER_BLOCK and sum(sizes) == 400 * 128 * 2**10


async def test_a_body_cannot_ask_for_a_large_window() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(BadRequestError, match="not compressed as its header says"):
        await expanded(stream.compress(DATA) + stream.flush())


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the blocks that the server had in its hands."""
    found: list[int] = []
    real = compression.decompressed

    async def watched(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for block in real(blocks):
            found.append(len(block))
            yield block

    monkeypatch.setattr(compression, "decompressed", watched)
    return found


@pytest.mark.parametrize(
    ("method", "path", "status", "most"),
    [
        ("PUT", f"/api/blobs/{'0' * 64}", 422, 2**40),
        ("POST", "/api/blobs", 413, 2 * BATCH_BYTES + TRANSFER_BLOCK),
        ("POST", "/api/archives", 400, 2**40),
    ],
)
async def test_a_bomb_is_expanded_a_block_at_a_time(
    sizes: list[int], coordinator: RunningCoordinator, method: str, path: str, status: int, most: int
) -> None:
    async with (
        aiohttp.ClientSession(coordinator.url) as http,
        http.request(method, path, data=bomb(1024), headers={"Content-Encoding": "zstd"}) as response,
    ):
        assert response.status == status
    assert 0 < max(sizes) <= TRANSFER_BLOCK and sum(sizes) <= most
