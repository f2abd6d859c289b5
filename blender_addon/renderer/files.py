"""Lists the external files of the open .blend, each with the frames that need it: from references to files on disk.

A missing sound, text or file of an unused image is not reported: no pixel depends on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import bpy

from .. import compat
from . import caches, colors, mentions, numbered, playing
from .numbered import Frames, Numbers
from .references import BUILTIN, Reference, Shape, absolute, references

UDIM = ("<UDIM>", "<UVTILE>")

__all__ = ["Found", "absolute", "collect"]


@dataclass(frozen=True)
class Found:
    """An external file, or one that should be there."""

    kind: str
    name: str  # of the datablock
    stored: str  # the path as the .blend has it; every file of a sequence, and every tile, has the same
    path: str  # absolute
    target: str = ""  # absolute: what `stored` means, where that is not this file
    blend: str = ""  # absolute: the library that has the path; empty for the .blend itself
    frames: str = ""  # that need it; empty for all
    needed: bool = True  # to render; False where nothing is lost without it

    @property
    def exists(self) -> bool:
        return Path(self.path).is_file()

    def as_dict(self) -> dict[str, str]:
        """The fields on the wire."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "needed"}


def collect(frames: Frames) -> list[Found]:
    """Every external file that rendering these frames may read."""
    listed = list(references())
    found = [file for reference in listed for file in _files(reference, frames)]
    found += [Found("point cache", name, "", path, folder, blend) for name, blend, folder, path in caches.beside()]
    if config := colors.configuration():
        found += [Found("colors", "OpenColorIO", "", path, config) for path in colors.files(config)]
    found += _others({reference.stored for reference in listed} | _sequencer_paths())
    unique = {(file.path, file.stored, file.blend): file for file in reversed(found)}
    return sorted(unique.values(), key=lambda file: file.path)


def _files(reference: Reference, frames: Frames) -> Iterator[Found]:
    path = reference.path

    def found(file: str, needing: set[int] | None = None, needed: bool = True) -> Found:
        return Found(
            kind=reference.kind,
            name=reference.name,
            stored=reference.stored,
            path=file,
            target="" if file == path else path,
            blend=reference.blend,
            frames="" if needing is None else frames.text(needing),
            needed=reference.needed and needed,
        )

    if reference.shape is Shape.FILE:
        yield found(path)
        yield from map(found, mentions.of(reference.kind, path))
    elif reference.shape is Shape.TILES:
        yield from (found(file) for file in _tiles(reference.owner, path))
    elif reference.shape is Shape.SEQUENCE:
        numbers = playing.numbers(reference.owner, frames) if frames.steady else None
        yield from (found(*each) for each in _sequence(path, numbers, frames))
    else:
        yield from (found(file, needing) for file, needing in caches.contents(reference, frames))
        if reference.needed and not Path(path).is_dir():
            yield found(path)


def _tiles(image: Any, path: str) -> Iterator[str]:
    for tile in image.tiles:
        # https://docs.blender.org/manual/en/latest/modeling/meshes/uv/workflows/udims.html#file-substitution-tokens
        row, column = divmod(tile.number - 1001, 10)
        yield path.replace(UDIM[0], str(tile.number)).replace(UDIM[1], f"u{column + 1}_v{row + 1}")


def _sequence(path: str, numbers: Numbers | None, frames: Frames) -> Iterator[tuple[str, set[int] | None, bool]]:
    """Each file of a sequence that a frame shows, whether it is there or not; all there are if that is not known."""
    there = numbered.sequence(path)
    if numbers is None:
        yield from ((file, None, file == path) for file in sorted({path, *there.values()}))
        return
    for number, needing in sorted(frames.needing(numbers).items()):
        # Only the frame itself must have its file: one that it would blur with may be past the sequence's end.
        shown = any(number in numbers(frame) for frame in needing)
        yield there.get(number) or numbered.with_number(path, number), needing, shown


def _sequencer_paths() -> set[str]:
    paths: set[str] = set()
    for scene in bpy.data.scenes:
        for strip in compat.sequencer_strips(scene.sequence_editor) if scene.sequence_editor else ():
            paths.add(getattr(strip, "filepath", ""))
            directory = getattr(strip, "directory", "")
            paths.update(directory + element.filename for element in getattr(strip, "elements", None) or ())
    return paths


def _others(known: Iterable[str]) -> Iterator[Found]:
    """Whatever else Blender names: kinds of files that a later version may have."""
    owners = compat.file_owners()
    unused = {image.filepath for image in bpy.data.images} | {text.filepath for text in bpy.data.texts}
    stored_paths = bpy.utils.blend_paths(absolute=False, packed=False, local=False)
    absolute_paths = bpy.utils.blend_paths(absolute=True, packed=False, local=False)
    for stored, path in zip(stored_paths, absolute_paths, strict=True):
        if stored and stored not in known and stored != BUILTIN and not Path(path).is_dir():
            owner = owners.get(stored)
            name = owner.name if owner else Path(path).name
            yield Found("file", name, stored, os.path.normpath(path), needed=stored not in unused)
