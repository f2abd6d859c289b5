"""The scene as it is now, changes that nobody saved included, as a .blend in the cache and what a job must know of it.

``take`` is for Blender's main thread (or its render thread, in ``engine.render``); ``prepare`` hashes files and is for
any other. The user's own file, its path and whether it counts as changed stay as they were.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import compat, farm, properties
from .renderer import channel, files, inspection

if TYPE_CHECKING:
    from coordinator.submission import Prepared, Wishes

UNSAVED = "untitled.blend"
OLD = 24 * 3600.0  # seconds after which a snapshot that nobody removed (Blender crashed) goes


@dataclass(frozen=True)
class Snapshot:
    """What was saved for one job. Plain values: it goes to another thread."""

    folder: Path
    blend: Path  # in `folder`
    original: Path  # where the scene lives: what its relative paths start from
    found: dict[str, Any]  # what the inspection says
    replaced: dict[str, Path]  # files whose bytes, as Blender has them in memory, are in `folder`

    def prepare(self, wishes: Wishes) -> Prepared:
        """The job, its files hashed. Raises errors of the farm's tree that name what is wrong."""
        found = farm.codec.structure(self.found, farm.replies.Inspection)
        replaced = {str(self.original): self.blend, **self.replaced}
        prepared: Prepared = farm.submission.prepare_snapshot(self.original, found, wishes, replaced)
        return prepared

    def discard(self) -> None:
        """When its files are uploaded, or never will be."""
        shutil.rmtree(self.folder, ignore_errors=True)


def take(scene: Any, cache: Path) -> Snapshot:
    """Save the scene into the cache. Raises BadSceneError or StorageError."""
    parent = cache / "snapshots"
    _sweep(parent)
    folder = parent / secrets.token_hex(8)
    name = Path(bpy.data.filepath).name or UNSAVED
    blend = folder / name
    try:
        found = inspection.describe(scene.name, properties.real_engine(scene), None)
    except channel.Failure as failure:
        raise farm.errors.from_code(failure.code, failure.message) from failure
    try:
        folder.mkdir(parents=True)
        replaced = _painted(folder)
        # Not compressed: a local network is quicker than one core.
        bpy.ops.wm.save_as_mainfile(
            filepath=str(blend), copy=True, relative_remap=False, compress=False, check_existing=False
        )
    except (OSError, RuntimeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        text = " ".join(str(error).split())
        raise farm.errors.StorageError(
            f"cannot save a copy of the scene in {folder}: {text}; is the disk full? "
            "Another cache folder can be chosen in the extension's preferences"
        ) from error
    return Snapshot(
        folder=folder,
        blend=blend,
        original=Path(bpy.data.filepath or blend),
        found=_as_saved_here(found),
        replaced=replaced,
    )


def wishes(scene: Any, *, frames: str = "", again: int = 0, allow_missing: bool = False) -> Wishes:
    """The scene's job settings; ``frames`` instead of its own."""
    settings = scene.netrender
    made: Wishes = farm.submission.Wishes(
        frames=frames or settings.frames,
        scene=scene.name,
        engine=properties.real_engine(scene),
        chunk=settings.chunk,
        priority=settings.priority,
        name=settings.name,
        again=again,
        allow_missing=allow_missing,
    )
    return made


def _as_saved_here(found: dict[str, Any]) -> dict[str, Any]:
    """This Blender saved the copy, whichever saved the file that it was opened from."""
    engines = [name for name in found["engines"] if name != properties.ENGINE]
    return {**found, "blender": ".".join(map(str, compat.VERSION[:2])), "engines": engines}


def _painted(folder: Path) -> dict[str, Path]:
    """Images of files that were changed in Blender and not saved: it renders what it has, so the farm gets that."""
    replaced: dict[str, Path] = {}
    for image in bpy.data.images:
        if image.is_dirty and image.source == "FILE" and image.filepath and image.packed_file is None:
            copy = folder / f"{len(replaced)}{Path(image.filepath).suffix}"
            with contextlib.suppress(RuntimeError):  # without pixels there is nothing to lose
                compat.save_image_copy(image, str(copy))
                replaced[files.absolute(image.filepath, image.library)] = copy
    return replaced


def _sweep(parent: Path) -> None:
    with contextlib.suppress(OSError):
        for folder in parent.iterdir():
            if time.time() - folder.stat().st_mtime > OLD:
                shutil.rmtree(folder, ignore_errors=True)
