"""What simulations have baked to disk, and which frames need which of it.

Point caches and bakes of Geometry Nodes go whole to every slave: Blender lists their folders once, when it opens the
scene, so that a file which comes with a later chunk would not be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import bpy

from .numbered import Frames, number_of
from .references import Reference, Shape, absolute

_OCEAN = re.compile(r"(disp|foam|normal|spray|spray_inverse)_\d+\.exr")


def beside() -> Iterator[tuple[str, str, str, str]]:
    """Caches that Blender looks for beside a .blend, by its name: for whom, the library, the folder and each file."""
    blends = [("point caches", "", bpy.data.filepath)] if bpy.data.filepath else []
    for library in bpy.data.libraries:
        path = absolute(library.filepath, None)
        blends.append((f"point caches of {library.name}", path, path))
    for name, library_path, path in blends:
        folder = Path(path).with_name(f"blendcache_{Path(path).stem}")
        for file in _inside(folder):
            yield name, library_path, str(folder), str(file)


def contents(reference: Reference, frames: Frames) -> Iterator[tuple[str, set[int] | None]]:
    """The files in the folder, each with the frames that need it, or None for all."""
    folder = Path(reference.path)
    if reference.shape is Shape.OCEAN:
        modifier = reference.holder
        first, last = modifier.frame_start, modifier.frame_end
        needing = frames.needing(lambda frame: [min(max(frame, first), last)]) if frames.steady else None
        files = [file for file in _inside(folder) if file.parent == folder and _OCEAN.fullmatch(file.name)]
    elif reference.kind == "fluid" and frames.steady and not reference.holder.cache_frame_offset:
        # The frame before is read for what moves on from it.
        needing = frames.needing(lambda frame: [frame - 1, frame, frame + 1])
        files = list(_inside(folder))
    else:
        needing, files = None, list(_inside(folder))
    for file in files:
        number = number_of(file.stem.split(".")[0])
        if needing is None or number is None:
            yield str(file), None
        elif number in needing:
            yield str(file), needing[number]


def _inside(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file()) if folder.is_dir() else iter(())
