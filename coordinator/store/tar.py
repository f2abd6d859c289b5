"""The files in a tar file that somebody sent: where each begins and how long it is. Nothing else is believed.

Python's tarfile follows links, and loops or fails in many ways on what is not meant well. An archive of a job needs
whole files with names, so this reads those alone: ustar headers, and what PAX and GNU tar add for long names and sizes.
"""

import re
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from ..errors import BadRequestError

BLOCK = 512
MOST_FILES = 1_000_000  # entries of one archive: a job of 100,000 frames has 200,000 results and logs
MOST_EXTRA = 64 * 2**10  # bytes of a header that holds a long name

_FILE, _FOLDER, _PAX, _PAX_FOR_ALL, _LONG_NAME = b"0", b"5", b"x", b"g", b"L"
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*", re.DOTALL)
_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([^=\n]+)=", re.DOTALL)


@frozen(kw_only=True)
class Member:
    """A file of the archive."""

    name: str
    offset: int  # of its first byte
    size: int  # bytes


def members(path: Path) -> dict[str, Member]:
    """The files of the archive by their names.

    Raises BadRequestError for anything but whole files and folders, and for a name that occurs twice. Raises OSError.
    """
    found: dict[str, Member] = {}
    with path.open("rb") as file:
        end = path.stat().st_size
        extra: dict[str, str] = {}  # what the next header's name and size really are
        count = 0
        while (header := file.read(BLOCK)) != bytes(BLOCK):
            if len(header) < BLOCK:
                raise _wrong("it breaks off")
            count += 1
            if count > MOST_FILES:
                raise _wrong(f"it has more than {MOST_FILES} entries")
            kind, name, size = _header(header)
            if kind in (_PAX, _LONG_NAME):
                extra |= _extra(kind, _read(file, size))
                continue
            if kind == _PAX_FOR_ALL:  # git archive writes its commit so
                _read(file, size)
                continue
            name, size = extra.get("path", name).removeprefix("./"), _size(extra["size"]) if "size" in extra else size
            extra = {}
            if kind not in (_FILE, b"\0", _FOLDER):
                raise _wrong(f"{name[:80]!r} in it is neither a file nor a folder; links and devices are not taken")
            if kind == _FOLDER or name.endswith("/"):
                continue
            if name in found:
                raise _wrong(f"{name[:80]!r} is in it twice")
            found[name] = Member(name=name, offset=file.tell(), size=size)
            after = file.tell() + size + -size % BLOCK
            if after > end:
                raise _wrong(f"it breaks off in {name[:80]!r}")
            file.seek(after)
    return found


def _wrong(why: str) -> BadRequestError:
    return BadRequestError(f"body: it is no archive of a job: {why}")


def _header(block: bytes) -> tuple[bytes, str, int]:
    """Kind, name and size. Raises BadRequestError if it is no header."""
    if _number(block[148:156]) != sum(block[:148]) + 8 * ord(" ") + sum(block[156:]):
        raise _wrong("a header in it has a wrong checksum")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = f"{prefix}/{name}"
    return block[156:157], name, _number(block[124:136])


def _number(field: bytes) -> int:
    """Octal digits, or, in GNU's way for more than 8 GiB, the bytes of the number after a mark."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise _wrong("a header in it has a number that is none")
    return int(match[1] or b"0", 8)


def _text(field: bytes) -> str:
    try:
        return field.partition(b"\0")[0].decode()
    except UnicodeDecodeError:
        raise _wrong(f"the name {field[:40]!r} in it is not UTF-8") from None


def _size(digits: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", digits, re.ASCII):
        raise _wrong(f"a file in it has {digits[:40]!r} bytes")
    return int(digits)


def _read(file: BinaryIO, size: int) -> bytes:
    """The content of a header that comes before another. Raises BadRequestError if it is too long, or cut."""
    if size > MOST_EXTRA:
        raise _wrong("a header in it is too long")
    data = file.read(size + -size % BLOCK)
    if len(data) < size:
        raise _wrong("it breaks off")
    return data[:size]


def _extra(kind: bytes, data: bytes) -> dict[str, str]:
    """What the header after this one cannot hold: "path", "size"."""
    if kind == _LONG_NAME:
        return {"path": _text(data)}
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        match = _RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise _wrong("a header in it is damaged")
        key = match[2].decode(errors="replace")
        if key.startswith("GNU.sparse."):
            raise _wrong("a file in it is sparse; make the archive without --sparse")
        if key in ("path", "size"):
            found[key] = _text(data[match.end() : end - 1])
        at = end
    return found
