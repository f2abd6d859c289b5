"""Whether two files that Blender wrote hold the same picture; what else they say (times, versions) does not matter."""

import struct
import zlib
from pathlib import Path
from typing import Any

from .. import exr


def differences(a: Path, b: Path) -> list[str]:
    """Nothing if they are the same to the last bit."""
    if a.suffix == ".exr":
        return exr.differences(a, b)
    read = {".png": _png, ".jpg": _jpeg}.get(a.suffix, Path.read_bytes)
    return [] if read(a) == read(b) else ["the pictures differ"]


def folders(a: Path, b: Path) -> list[str]:
    """The same for all files of two folders, by name."""
    left, right = _files(a), _files(b)
    found = [f"{name}: only in {a}" for name in sorted(left - right)]
    found += [f"{name}: only in {b}" for name in sorted(right - left)]
    for name in sorted(left & right):
        found += [f"{name}: {line}" for line in differences(a / name, b / name)]
    return found


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _png(path: Path) -> Any:
    """The header and the lines, without the texts."""
    data = path.read_bytes()
    if not data.startswith(b"\x89PNG"):
        return data
    at, header, packed = 8, b"", b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        header += body if kind == b"IHDR" else b""
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    return header, zlib.decompress(packed)


def _jpeg(path: Path) -> Any:
    """Everything but comments and applications' segments."""
    data = path.read_bytes()
    at, kept = 2, b""
    while data[at + 1] != 0xDA:  # where the picture begins
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if data[at + 1] != 0xFE and not 0xE0 <= data[at + 1] <= 0xEF:
            kept += data[at : at + 2 + length]
        at += 2 + length
    return kept + data[at:]
