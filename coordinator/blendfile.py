"""What can be said about a .blend without Blender: that it is one, and that its end is there."""

import gzip
from pathlib import Path

from .errors import BadSceneError

_MAGIC = b"BLENDER"
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"  # how 3.0 and later, and how older ones compress
_LAST_BLOCK = b"ENDB"
_TAIL = 64 * 1024  # bytes from the end in which the last block must begin; some copies append zeros


def check(path: Path) -> None:
    """Raises BadSceneError that says why this cannot be a .blend; the inspection by Blender finds the rest."""
    try:
        path.name.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8, on Linux
        raise BadSceneError(f"{path.name!r}: its name is not text, which a job's has to be; rename it") from None
    try:
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(max(0, path.stat().st_size - _TAIL))
            tail = file.read()
    except FileNotFoundError:
        raise BadSceneError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise BadSceneError(f"{path} is a folder; name the .blend in it") from None
    except OSError as error:
        raise BadSceneError(f"{path} cannot be read: {error.strerror}") from error
    if head.startswith(_ZSTD):
        return  # the standard library cannot look inside
    if head.startswith(_GZIP):
        if not _starts_as_blend(path):
            raise BadSceneError(f"{path} is no .blend, or is damaged: it is compressed, and no .blend is inside")
        return
    if not head.startswith(_MAGIC):
        what = "is empty" if not head else "is no .blend: it does not begin with BLENDER"
        raise BadSceneError(f"{path} {what}; save the scene again")
    if _LAST_BLOCK not in tail:
        raise BadSceneError(f"{path} is truncated: its last block is missing; copy it again, or save the scene again")


def _starts_as_blend(path: Path) -> bool:
    try:
        with gzip.open(path) as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except (OSError, EOFError):
        return False
