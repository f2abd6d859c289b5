"""Reads the multilayer EXR files that Blender writes: every part, channel and text attribute. numpy and no more.

Why not Blender's own ``load_from_file``: from 5.0 on it cannot read views, it drops the header (which Cryptomatte
needs), and it holds Python's lock while it reads, so that the window would stand still.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy

_MAGIC, _MULTIPART, _TILED_OR_DEEP = b"\x76\x2f\x31\x01", 0x1000, 0x0A00
_TYPES: dict[int, numpy.dtype[Any]] = {0: numpy.dtype("<u4"), 1: numpy.dtype("<f2"), 2: numpy.dtype("<f4")}
_LINES = {0: 1, 2: 1, 3: 16}  # scan lines in a chunk: no compression, ZIPS, ZIP. Our renderer writes ZIP.


class Unreadable(Exception):
    """No EXR file, a damaged one, or of a kind that our renderer does not write."""


@dataclass(frozen=True)
class Part:
    """One image of the file: Blender 4 writes one for all passes, Blender 5 one for each pass and view."""

    view: str  # empty where the file has no views, or their names are in those of the channels
    channels: dict[str, numpy.dtype[Any]]  # in the order of the file
    width: int
    height: int
    compression: int
    texts: dict[str, str]  # attributes: what Blender calls the stamp
    offsets: tuple[int, ...]  # where each chunk begins


class Reader:
    """An open file. ``parts`` is what the headers say; ``pixels`` decodes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self.multipart, self.parts = _read_headers(file)
        except OSError as error:
            raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
        except (struct.error, KeyError, UnicodeDecodeError, zlib.error) as error:
            raise Unreadable(f"{path} is damaged: {error}") from error

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.parts[0].width, self.parts[0].height

    @property
    def texts(self) -> dict[str, str]:
        return {name: text for part in self.parts for name, text in part.texts.items()}

    def pixels(self, only: Collection[str] | None = None) -> dict[tuple[str, str], Any]:
        """The pixels of each (view, channel), the top line first; of the channels with these names alone, if named."""
        found: dict[tuple[str, str], Any] = {}
        workers = min(8, os.cpu_count() or 1)
        try:
            with self.path.open("rb") as file, ThreadPoolExecutor(workers, thread_name_prefix="exr") as pool:
                for part in self.parts:
                    planes = {
                        name: numpy.zeros((part.height, part.width), kind)
                        for name, kind in part.channels.items()
                        if only is None or name in only
                    }
                    if not planes:
                        continue
                    # zlib and numpy let other threads go on meanwhile.
                    list(pool.map(lambda chunk, p=part, t=planes: _decode(p, t, *chunk), self._chunks(file, part)))
                    found |= {(part.view, name): plane for name, plane in planes.items()}
        except OSError as error:
            raise Unreadable(f"{self.path} cannot be read: {error.strerror}") from error
        except (struct.error, ValueError, zlib.error) as error:
            raise Unreadable(f"{self.path} is damaged: {error}") from error
        return found

    def _chunks(self, file: BinaryIO, part: Part) -> Iterator[tuple[int, bytes]]:
        """The first line, counted from the top, and the data of each chunk."""
        for number, offset in enumerate(part.offsets):
            file.seek(offset + (8 if self.multipart else 4))  # after the part's number and the line's
            (length,) = struct.unpack("<I", _exactly(file, 4))
            yield number * _LINES[part.compression], _exactly(file, length)


def _decode(part: Part, planes: dict[str, Any], top: int, data: bytes) -> None:
    lines = min(_LINES[part.compression], part.height - top)
    line_length = part.width * sum(kind.itemsize for kind in part.channels.values())
    if len(data) != lines * line_length:  # what cannot be made smaller is stored as it is
        data = _undo_filter(zlib.decompress(data))
    rows = numpy.frombuffer(data, numpy.uint8).reshape(lines, line_length)
    at = 0
    for name, kind in part.channels.items():
        end = at + part.width * kind.itemsize
        if name in planes:
            planes[name][top : top + lines] = numpy.ascontiguousarray(rows[:, at:end]).view(kind)
        at = end


def _undo_filter(data: bytes) -> bytes:
    """What OpenEXR does before zlib: the even bytes, then the odd ones, each as its distance to the one before."""
    steps = numpy.frombuffer(data, numpy.uint8).copy()
    steps[1:] -= 128  # wraps around, as it should
    values = numpy.cumsum(steps, dtype=numpy.uint8)
    half = (len(values) + 1) // 2
    mixed = numpy.empty_like(values)
    mixed[0::2], mixed[1::2] = values[:half], values[half:]
    return mixed.tobytes()


# --- headers ---


def _read_headers(file: BinaryIO) -> tuple[bool, list[Part]]:
    if _exactly(file, 4) != _MAGIC:
        raise Unreadable(f"{file.name} is not an OpenEXR file")
    (flags,) = struct.unpack("<I", _exactly(file, 4))
    if flags & _TILED_OR_DEEP:
        raise Unreadable(f"{file.name} has tiles or deep pixels: no Netrender slave wrote it")
    multipart = bool(flags & _MULTIPART)
    headers = []
    while attributes := dict(_attributes(file)):
        headers.append(attributes)
        if not multipart:
            break
    return multipart, [_part(file, attributes) for attributes in headers]


def _part(file: BinaryIO, attributes: dict[str, tuple[str, bytes]]) -> Part:
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"][1])
    compression = attributes["compression"][1][0]
    if compression not in _LINES:
        raise Unreadable(f"{file.name} is compressed in a way that no Netrender slave uses ({compression})")
    texts = {name: data.decode(errors="replace") for name, (kind, data) in attributes.items() if kind == "string"}
    height = bottom - top + 1
    chunks = -(-height // _LINES[compression])
    return Part(
        view=texts.pop("view", ""),
        channels=dict(_channels(attributes["channels"][1])),
        width=right - left + 1,
        height=height,
        compression=compression,
        texts={name: text for name, text in texts.items() if name not in ("name", "type")},
        offsets=struct.unpack(f"<{chunks}Q", _exactly(file, 8 * chunks)),
    )


def _channels(data: bytes) -> Iterator[tuple[str, numpy.dtype[Any]]]:
    while data[0]:
        name, _, data = data.partition(b"\0")
        yield name.decode(), _TYPES[struct.unpack("<i", data[:4])[0]]
        data = data[16:]


def _attributes(file: BinaryIO) -> Iterator[tuple[str, tuple[str, bytes]]]:
    while name := _text(file):
        kind = _text(file)
        (length,) = struct.unpack("<i", _exactly(file, 4))
        yield name, (kind, _exactly(file, length))


def _text(file: BinaryIO) -> str:
    characters = bytearray()
    while (character := _exactly(file, 1)) != b"\0":
        characters += character
    return characters.decode()


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise Unreadable(f"{file.name} is damaged: its end is missing")
    return data
