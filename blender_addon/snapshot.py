"""The scene as it is now, changes that nobody saved included, as a .blend in the cache and what a job must know of it.

``take`` is for Blender's main thread (or its render thread, in ``engine.render``); ``prepare`` hashes files and is for
any other. The user's own file, its path and whether it counts as changed stay as they were.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import compat, farm, properties, results, unsaved_images
from .renderer import channel, choices, inspection, space

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
    found: dict[str, dict[str, Any]]  # what the inspection says, by scene
    painted: dict[str, Path]  # files whose pixels, as Blender has them in memory, are in `folder`

    def prepare(self, wishes: Wishes) -> Prepared:
        """The job, its files hashed. Raises errors of the farm's tree that name what is wrong."""
        found = farm.codec.structure(self.found[wishes.scene or ""], farm.replies.Inspection)
        # An engine that reads images from the disk does not see what was painted: not here, and not on the farm.
        painted = self.painted if compat.renders_unsaved_images(found.engine) else {}
        replaced = {str(self.original): self.blend, **painted}
        try:
            prepared: Prepared = farm.submission.prepare_snapshot(self.original, found, wishes, replaced)
        except farm.errors.UsageError as error:
            if self.original != self.blend:
                raise
            # Nobody knows the file that was made for the job.
            raise type(error)(error.message.replace(str(self.original), self.original.name)) from error
        return prepared

    def discard(self) -> None:
        """When its files are uploaded, or never will be."""
        shutil.rmtree(self.folder, ignore_errors=True)


def take(scenes: Iterable[Any], cache: Path) -> Snapshot:
    """Save all that Blender has open into the cache, for jobs of these scenes. Raises BadSceneError or StorageError."""
    try:
        with unsaved_images.packed():
            return _take(tuple(scenes), cache)
    except channel.Failure as failure:
        raise farm.errors.from_code(failure.code, failure.message) from failure


def _take(scenes: tuple[Any, ...], cache: Path) -> Snapshot:
    for scene in scenes:
        choices.check_name(scene)
    found = {scene.name: inspection.describe(scene.name, results.real_engine(scene), None) for scene in scenes}
    parent = cache / "snapshots"
    _sweep(parent)
    folder = parent / secrets.token_hex(8)
    blend = folder / (Path(bpy.data.filepath).name or UNSAVED)
    try:
        folder.mkdir(parents=True)
        painted = unsaved_images.save(folder)
        # Not compressed: a local network is quicker than one core.
        bpy.ops.wm.save_as_mainfile(
            filepath=str(blend), copy=True, relative_remap=False, compress=False, check_existing=False
        )
    except (OSError, RuntimeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        # Blender's own words for a full disk are "No such file or directory".
        text = space.obstacle(parent, _expected_size()) or " ".join(str(error).split())
        raise farm.errors.StorageError(
            f"cannot save a copy of the scene in {folder}: {text}. Make room, or choose another cache folder in the "
            "extension's preferences"
        ) from error
    return Snapshot(
        folder=folder,
        blend=blend,
        original=Path(bpy.data.filepath or blend),
        found={name: _as_saved_here(each) for name, each in found.items()},
        painted=painted,
    )


def _expected_size() -> int:
    """Bytes that the copy takes: the user's own file may be compressed."""
    try:
        return max(space.LEAST, 4 * Path(bpy.data.filepath).stat().st_size)
    except OSError:
        return space.LEAST


def wishes(scene: Any, *, frames: str = "", of: Any = None, allow_missing: bool = False) -> Wishes:
    """The scene's job settings; ``frames`` instead of its own; for a job of the scene ``of``, if that is another."""
    settings, rendered = scene.netrender, of or scene
    name = settings.name
    if rendered != scene:
        name = f"{name or Path(bpy.data.filepath or UNSAVED).stem} {rendered.name}"
    made: Wishes = farm.submission.Wishes(
        frames=frames or settings.frames,
        scene=rendered.name,
        engine=results.real_engine(rendered),
        chunk=settings.chunk,
        priority=settings.priority,
        name=name,
        allow_missing=allow_missing,
        tags=properties.tag_list(scene),
        never_slaves=properties.refused_slaves(scene),
    )
    return made


def for_jobs(
    scene: Any, rendered: Mapping[str, tuple[int, ...]], cache: Path, *, allow_missing: bool
) -> tuple[Snapshot, list[Wishes]]:
    """A copy of what is open, and a job for the frames of each scene that a farm renders. Raises as ``take`` does."""
    scenes = [bpy.data.scenes[name] for name in rendered]
    wanted = [
        wishes(scene, of=each, frames=str(farm.frames.FrameRange.of(rendered[each.name])), allow_missing=allow_missing)
        for each in scenes
    ]
    return take(scenes, cache), wanted


def _as_saved_here(found: dict[str, Any]) -> dict[str, Any]:
    """This Blender saved the copy, whichever saved the file that it was opened from."""
    engines = [name for name in found["engines"] if name != properties.ENGINE]
    return {**found, "blender": ".".join(map(str, compat.VERSION[:2])), "engines": engines}


def _sweep(parent: Path) -> None:
    with contextlib.suppress(OSError):
        for folder in parent.iterdir():
            if time.time() - folder.stat().st_mtime > OLD:
                shutil.rmtree(folder, ignore_errors=True)
