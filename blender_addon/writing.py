"""Gathered frames through this Blender's compositor, sequencer, colour management and output settings.

A run of frames is an ordinary animation render, by the engine NETRENDER, which takes each frame from the cache. What
has to be changed in the scenes for that is changed only meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from . import borrowed, compat, farm, open_file, outputs, properties, results, written
from .gathering import Run
from .outputs import Outputs, Place

Folders = Mapping[str, Path]  # with the frames of each scene


class NotOurs(Exception):
    """The scene is not the one for which the frames were rendered; the text says what has become of that."""


class Shown:
    """Scenes whose engine is ours for a while. No references: in a window this lives over many ticks."""

    def __init__(self, scenes: Iterable[Any], asked_by: Any) -> None:
        scenes = tuple(scenes)
        self._names = [scene.name for scene in scenes]
        self._owner = open_file.Owner(*scenes)
        results.asked_by.update(dict.fromkeys(self._names, asked_by.name))
        # Before any of them changes: a scene that has no engine of its own for the farm uses the one that it shows.
        results.engines.update({scene.name: results.real_engine(scene) for scene in scenes})
        for scene in scenes:
            borrowed.borrow(scene, engine=properties.ENGINE)

    def restore(self) -> None:
        """Put the engines back; in another file there is nothing to put back, though it has scenes of these names."""
        if not self._owner.is_here:
            return
        for name in self._names:
            results.engines.pop(name, None)
            results.asked_by.pop(name, None)
            if (scene := self._owner.scene(name)) is not None:
                borrowed.give_back(scene, "engine")


@dataclass
class Writing:
    """A run that Blender renders now."""

    scene: str
    owner: open_file.Owner
    run: Run
    shown: Shown
    folders: Folders
    paths: dict[Place, str]  # that are held where they led when the animation began
    cancelled: bool = False  # by Esc in the render's window
    finished: int = 0  # frames that Blender has written so far

    @classmethod
    def prepare(cls, scene: str, owner: open_file.Owner, places: Outputs, run: Run, folders: Folders) -> Writing:
        """Change what has to be changed. ``folders`` has the frames of each scene that the farm rendered.

        Raises NotOurs if one of these scenes is not the owner's.
        """
        shown = {name: owner.scene(name) for name in {scene, *folders}}
        if gone := [name for name, there in shown.items() if there is None]:
            raise NotOurs(f"another file was opened, or scene {gone[0]!r} was removed or renamed")
        asked: Any = shown[scene]
        changed = {"frame_step": run.step}
        if not compat.KEEPS_RANGE:
            # The end first: Blender keeps it behind the start, by moving that.
            changed |= {"frame_end": run.last, "frame_start": run.first}
        engines = Shown([shown[name] for name in folders], asked)
        borrowed.borrow(asked, **changed)
        results.sources.update(folders)
        return cls(scene, owner, run, engines, folders, places.hold(asked))

    def render(self, *, window: bool) -> None:
        """All of it; in a window it only begins. Raises StorageError if Blender cannot write."""
        scene = self.owner.scene(self.scene)
        results.failures.clear()
        bpy.app.handlers.render_cancel.append(self.on_cancel)
        bpy.app.handlers.render_write.append(self.on_written)
        try:
            with _no_new_window():
                compat.render_animation(self.run.first, self.run.last, self.run.step, scene=scene, window=window)
        except RuntimeError as error:
            if results.failures:  # which `restore` tells
                return
            raise farm.errors.StorageError(
                f"Blender could not write the frames: {' '.join(str(error).split())}; check the output path and format"
            ) from error

    def on_cancel(self, *_: Any) -> None:
        """Blender calls it, from its render thread."""
        self.cancelled = True

    def on_written(self, *_: Any) -> None:
        """The same, after each frame."""
        self.finished += 1

    def restore(self) -> str:
        """Put everything back. Returns what is wrong with the frames, if something is."""
        for handlers, handler in (
            (bpy.app.handlers.render_cancel, self.on_cancel),
            (bpy.app.handlers.render_write, self.on_written),
        ):
            if handler in handlers:
                handlers.remove(handler)
        if not self.owner.is_here:
            return ""  # nothing in the file that is open now was changed
        for name in self.folders:
            results.sources.pop(name, None)
        failure = results.take_failure()
        scene = self.owner.scene(self.scene)
        if scene is not None:
            if not failure and not self.cancelled:
                failure = written.problem(scene, self.run.frames)  # while the paths lead to them
            outputs.let_go(scene, self.paths)
            borrowed.give_back(scene, "frame_step", "frame_end", "frame_start")
        self.shown.restore()
        return failure


@contextmanager
def _no_new_window() -> Iterator[None]:
    """The one that shows renders was opened when the user asked for them; once for each run would be too often."""
    preferences: Any = bpy.context.preferences
    before, dirty = preferences.view.render_display_type, preferences.is_dirty
    preferences.view.render_display_type = "NONE"
    try:
        yield
    finally:
        preferences.view.render_display_type = before
        preferences.is_dirty = dirty


def is_rendering() -> bool:
    """Whether a render that a window began goes on."""
    return bool(bpy.app.is_job_running("RENDER"))


def write(scene: str, owner: open_file.Owner, places: Outputs, run: Run, folders: Folders) -> None:
    """Render a run from start to end. Raises StorageError, NoResult if a frame could not be shown, or NotOurs."""
    writing = Writing.prepare(scene, owner, places, run, folders)
    failure = ""
    try:
        writing.render(window=False)
    finally:
        failure = writing.restore()
    if failure:
        raise results.NoResult(failure)
