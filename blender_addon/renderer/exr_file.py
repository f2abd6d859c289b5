"""Looks after an OpenEXR file that Blender has written: is it whole, and what does its header tell of this machine?"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x76\x2f\x31\x01"
MULTIPART = 0x1000
# Scan lines in a chunk, by the number of the compression in the file format.
_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}


class Broken(Exception):
    """The file is not whole."""


def check(path: Path) -> None:
    """Raises Broken (or OSError) unless every chunk that the headers promise is in the file.

    Blender reports success even if the disk was full while it wrote.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        multipart, headers = _headers(file)
        chunks = sum(map(_chunks, headers))
        offsets = struct.unpack(f"<{chunks}Q", _read(file, 8 * chunks))
        if not chunks or 0 in offsets:
            raise Broken("parts of the image were not written")
        # Chunks lie one behind the other, so the last one tells whether all of them are there.
        file.seek(max(offsets))
        _read(file, 8 if multipart else 4)  # part number and line, or line
        length = struct.unpack("<I", _read(file, 4))[0]
        if file.tell() + length > size:
            raise Broken("its end is missing")


def replace_texts(path: Path, texts: Mapping[str, str]) -> None:
    """Give text attributes other values, or remove those whose value is empty. Raises Broken or OSError.

    In place, whatever the size of the pixels: the table of the chunks follows the headers and says where each chunk is,
    so what the headers lose in length is a gap behind the table. They cannot grow: what does not fit is removed too.
    """
    with path.open("r+b") as file:
        multipart, headers = _headers(file)
        table = _read(file, 8 * sum(map(_chunks, headers)))
        end = file.tell()
        parts = [b"".join(_changed(header, texts)) + b"\0" for header in headers]
        file.seek(8)  # after the magic number and the version
        file.write((b"".join(parts) + b"\0" * multipart + table).ljust(end - 8, b"\0"))


Header = dict[str, tuple[bytes, bytes]]  # attributes, by name: type and value


def _changed(header: Header, texts: Mapping[str, str]) -> Iterator[bytes]:
    for name, (kind, value) in header.items():
        if name in texts and kind == b"string":
            text = texts[name].encode(errors="replace")
            if not text or len(text) > len(value):
                continue
            value = text
        yield name.encode(errors="surrogateescape") + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value


def _headers(file: BinaryIO) -> tuple[bool, list[Header]]:
    """Whether the file has several parts, and the header of each; the table of the chunks comes next."""
    if _read(file, 4) != MAGIC:
        raise Broken("it is not an OpenEXR file")
    multipart = bool(struct.unpack("<I", _read(file, 4))[0] & MULTIPART)
    headers = []
    while header := dict(_attributes(file)):
        headers.append(header)
        if not multipart:
            break
    return multipart, headers


def _chunks(header: Header) -> int:
    """Number of chunks of a part."""
    if "chunkCount" in header:
        return int(struct.unpack("<i", header["chunkCount"][1])[0])
    _, top, _, bottom = struct.unpack("<4i", header["dataWindow"][1])
    return -(-(bottom - top + 1) // _LINES[header["compression"][1][0]])


def _attributes(file: BinaryIO) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
    while name := _text(file):
        kind = _text(file)
        (length,) = struct.unpack("<i", _read(file, 4))
        yield name.decode(errors="surrogateescape"), (kind, _read(file, length))


def _text(file: BinaryIO) -> bytes:
    characters = bytearray()
    while (character := _read(file, 1)) != b"\0":
        characters += character
    return bytes(characters)


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise Broken("its end is missing")
    return data
