"""Looks at the first bytes of a .blend before Blender does, for errors that Blender words badly or not at all."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

from .. import compat
from .channel import bad_scene

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # how Blender compressed before 3.0, and since
# "BLENDER-v405RENDH" up to 4.5, "BLENDER17-01v0500RENDH" since 5.0. Zstandard leaves these few bytes as they are.
_HEADER = re.compile(rb"BLENDER(?:[-_][vV](?P<old>\d{3})|\d\d-\d\dv(?P<new>\d{4}))")


def saved_by(path: Path) -> tuple[int, int] | None:
    """Version that saved the file, None if compression hides it. Raises Failure for what cannot be a .blend."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError as error:
        raise bad_scene(f"cannot read {path}: {error.strerror}") from error
    if not head:
        raise bad_scene(f"{path} is empty; save the scene again")
    compressed = head.startswith((GZIP, ZSTD))
    if head.startswith(GZIP):
        try:
            with gzip.open(path) as file:
                head = file.read(32)
        except (OSError, EOFError, zlib.error) as error:
            raise bad_scene(f"{path} is damaged: {error}") from error
    match = _HEADER.search(head) if compressed else _HEADER.match(head)
    if match is None:
        if head.startswith(ZSTD):
            return None
        raise bad_scene(f"{path} is not a .blend file")
    major, minor = divmod(int(match["old"] or match["new"]), 100)
    return major, minor


def check(path: Path) -> None:
    """Raises Failure if the file is no .blend, or saved by a newer Blender, which would lose data silently."""
    version = saved_by(path)
    if version is not None:
        check_version(path, version)


def check_version(path: Path, version: tuple[int, int]) -> None:
    """Raises Failure if ``version`` is newer than this Blender."""
    if version > compat.VERSION[:2]:
        raise bad_scene(
            f"{path.name} was saved by Blender {version[0]}.{version[1]}, and this is Blender {compat.VERSION_TEXT}; "
            "use a Blender at least as new"
        )
