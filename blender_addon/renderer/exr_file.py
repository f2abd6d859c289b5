"""Checks that an OpenEXR file is whole: Blender reports success even if the disk was full while it wrote."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x76\x2f\x31\x01"
MULTIPART = 0x1000
# Scan lines in a chunk, by the number of the compression in the file format.
_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}


class Broken(Exception):
    """The file is not whole."""


def check(path: Path) -> None:
    """Raises Broken (or OSError) unless every chunk that the headers promise is in the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if _read(file, 4) != MAGIC:
            raise Broken("it is not an OpenEXR file")
        multipart = bool(struct.unpack("<I", _read(file, 4))[0] & MULTIPART)
        chunks = sum(_headers(file, multipart))
        offsets = struct.unpack(f"<{chunks}Q", _read(file, 8 * chunks))
        if not chunks or 0 in offsets:
            raise Broken("parts of the image were not written")
        # Chunks lie one behind the other, so the last one tells whether all of them are there.
        file.seek(max(offsets))
        _read(file, 8 if multipart else 4)  # part number and line, or line
        length = struct.unpack("<I", _read(file, 4))[0]
        if file.tell() + length > size:
            raise Broken("its end is missing")


def _headers(file: BinaryIO, multipart: bool) -> Iterator[int]:
    """Number of chunks of each part."""
    while True:
        attributes = dict(_attributes(file))
        if not attributes:
            return
        if "chunkCount" in attributes:
            yield struct.unpack("<i", attributes["chunkCount"])[0]
        else:
            _, top, _, bottom = struct.unpack("<4i", attributes["dataWindow"])
            yield -(-(bottom - top + 1) // _LINES[attributes["compression"][0]])
        if not multipart:
            return


def _attributes(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    while name := _text(file):
        _text(file)  # type
        (length,) = struct.unpack("<i", _read(file, 4))
        yield name, _read(file, length)


def _text(file: BinaryIO) -> str:
    characters = bytearray()
    while (character := _read(file, 1)) != b"\0":
        characters += character
    return characters.decode()


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise Broken("its end is missing")
    return data
