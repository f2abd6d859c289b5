"""Makes every path in the open .blend lead to the job's own files, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

from .channel import bad_scene
from .references import Reference, references

MISSING = "_missing"  # a folder that is not there: what leads out of the job's files is looked for in it


def remap(mapped: list[dict[str, str]]) -> None:
    """Set the paths ``stored`` in the files ``blend`` to ``path``."""
    if not mapped:
        return
    wanted = {(os.path.normpath(each["blend"]), each["stored"]): each["path"] for each in mapped}
    _remap_libraries({stored: path for (_, stored), path in wanted.items()})
    for reference in list(references()):
        blend = reference.blend or os.path.normpath(bpy.data.filepath)
        path = wanted.get((blend, reference.stored))
        if path is not None and reference.kind != "library":
            _set(reference, path)


def confine(inside: list[str]) -> None:
    """Have nothing read, and nothing written, outside of these folders. Raises Failure if a library was."""
    if not inside:
        return
    roots = [os.path.normpath(folder) for folder in inside]
    for scene in bpy.data.scenes:
        if scene.sequence_editor is not None:  # not rendered here, and its media are not here
            scene.sequence_editor_clear()
    for reference in list(references()):
        path = reference.path
        if any(Path(path).is_relative_to(root) for root in roots):
            continue
        if reference.kind != "library":
            _set(reference, str(Path(roots[0], MISSING, Path(path).name)))
        elif Path(path).exists():
            raise bad_scene(
                f"the library {reference.stored} is not among the job's files, and this slave has another file at that "
                f"place ({path}): submit the job again"
            )


def _set(reference: Reference, path: str) -> None:
    reference.set(path)
    owner = reference.owner
    if isinstance(owner, bpy.types.Image):
        owner.reload()
    elif isinstance(owner, bpy.types.Text) and Path(path).is_file():
        owner.from_string(Path(path).read_text(errors="replace"))


def _remap_libraries(wanted: dict[str, str]) -> None:
    # Reading one may bring in others, so until none is left.
    done: set[str] = set()
    while todo := [lib for lib in bpy.data.libraries if lib.filepath in wanted and lib.filepath not in done]:
        library = todo[0]
        stored, path = library.filepath, wanted[library.filepath]
        done |= {stored, path}
        library.filepath = path
        try:
            library.reload()
        except RuntimeError as error:
            raise bad_scene(f"cannot read the library {stored}: {' '.join(str(error).split())}") from error
