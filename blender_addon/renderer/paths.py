"""Points the open .blend at files of the job that are not where its own paths lead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import bpy

from .. import compat
from .channel import bad_scene

UDIM = "<UDIM>"
_LAST = re.compile(r"[^/\\]*$")  # the name in a path of any operating system


def remap(mapped: dict[str, str]) -> None:
    """Give every path that is stored as a key of ``mapped`` the value, and read the file again."""
    if not mapped:
        return
    _remap_libraries(mapped)
    changed: list[Any] = []

    def new_path(owner: Any, stored: str) -> str | None:
        if isinstance(owner, bpy.types.Library):
            return None
        path = lookup(stored, mapped)
        if path is not None:
            changed.append(owner)
        return path

    compat.remap_paths(new_path)
    for owner in changed:
        if isinstance(owner, bpy.types.Image):
            owner.reload()


def lookup(stored: str, mapped: dict[str, str]) -> str | None:
    """Where a stored path leads, or None for where it says."""
    if stored in mapped:
        path = mapped[stored]
        # One of the tiles stands for all of them.
        return str(Path(path).with_name(_LAST.findall(stored)[0])) if UDIM in stored else path
    # A folder (a fluid's cache) is mapped by the files in it.
    folder = stored.rstrip("/\\")
    for key, path in mapped.items():
        tail = key[len(folder) :].replace("\\", "/")
        if folder and key.startswith(folder) and tail.startswith("/"):
            path = path.replace("\\", "/")
            if path.endswith(tail):
                return path[: -len(tail)]
    return None


def _remap_libraries(mapped: dict[str, str]) -> None:
    # Reading one may bring in others, so until none is left.
    done: set[str] = set()
    while todo := [lib for lib in bpy.data.libraries if lib.filepath in mapped and lib.filepath not in done]:
        library = todo[0]
        stored, path = library.filepath, mapped[library.filepath]
        done |= {stored, path}
        library.filepath = path
        try:
            library.reload()
        except RuntimeError as error:
            raise bad_scene(f"cannot read the library {stored}: {' '.join(str(error).split())}") from error
