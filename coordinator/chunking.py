"""Content-defined chunks: a file cut where its bytes say so, so that a change moves no cut but those beside it.

A gear hash (as in FastCDC, Xia et al. 2016) over the last 16 bytes, computed by numpy for a whole block at a time:
h(i) = sum of G[byte(i-k)] << k, doubled up in four steps. Both sides must cut alike: the table and the sizes are a
part of the protocol.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .protocol.deltas import Chunk

if TYPE_CHECKING:
    import numpy as np

# Bytes of a chunk; between them a cut comes every 8 KiB on average. A .blend saved in another session differs in the
# address before each of its arrays, which costs one chunk an array: so chunks must be small against an array.
LEAST, MOST = 2 * 2**10, 32 * 2**10
_CUT = 8  # a hash of 16 bits below this is a cut: one in 8192
_WINDOW = 16  # bytes that decide about a cut: one more bit of the hash for each
_BLOCK = 256 * 2**10  # bytes hashed at once; more would leave the processor's cache


def available() -> bool:
    """Whether numpy is here; every Blender has it."""
    try:
        import numpy  # noqa: F401
    except ImportError:
        return False
    return True


def _table() -> "np.ndarray[Any, Any]":
    """256 numbers of 16 bits that look random, and are the same everywhere."""
    import numpy as np

    digests = b"".join(hashlib.sha256(b"netrender gear %d" % value).digest()[:2] for value in range(256))
    return np.frombuffer(digests, dtype="<u2").astype(np.uint16)


def split(path: Path) -> list[Chunk]:
    """The file's chunks in their order. Raises OSError."""
    with path.open("rb") as file:
        return [Chunk(sha256=hashlib.sha256(data).hexdigest(), size=len(data)) for data in _pieces(file, _table())]


def _pieces(file: BinaryIO, table: "np.ndarray[Any, Any]") -> Iterator[bytes]:
    rest = b""  # bytes that are in no chunk yet
    while True:
        block = file.read(32 * MOST)
        data = rest + block
        cuts = _candidates(data, table)
        start = 0
        # Without its end a chunk may still be cut later than where the data stop.
        while len(data) - start >= MOST or (not block and start < len(data)):
            at = bisect_left(cuts, start + LEAST)
            end = min(cuts[at] if at < len(cuts) else len(data), start + MOST, len(data))
            yield data[start:end]
            start = end
        rest = data[start:]
        if not block:
            return


def _candidates(data: bytes, table: "np.ndarray[Any, Any]") -> list[int]:
    """Every place at which the hash of the bytes before it is below _CUT."""
    import numpy as np

    bytes_ = np.frombuffer(data, dtype=np.uint8)
    found: list[int] = []
    for begin in range(0, len(bytes_), _BLOCK):
        # The window reaches back into the block before.
        first = max(0, begin - _WINDOW + 1)
        hashes = table[bytes_[first : begin + _BLOCK]]
        width = 1
        while width < _WINDOW:
            hashes[width:] += hashes[:-width] << np.uint16(width)
            width *= 2
        cuts = np.flatnonzero(hashes[_WINDOW - 1 :] < _CUT)
        found += (cuts + (first + _WINDOW)).tolist()
    return found
