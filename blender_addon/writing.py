"""Gathered frames through this Blender's compositor, sequencer, colour management and output settings.

A run of frames is an ordinary animation render, by the engine NETRENDER, which takes each frame from the cache. What
has to be changed in the scenes for that is changed only meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from . import compat, farm, properties, results, written
from .gathering import Run


class Shown:
    """Scenes whose engine is ours for a while. Names, not references: in a window this lives over many ticks."""

    def __init__(self, scenes: Iterable[Any], asked_by: Any) -> None:
        self._before = {scene.name: scene.render.engine for scene in scenes}
        results.asked_by.update(dict.fromkeys(self._before, asked_by.name))
        # Before any of them changes: a scene that has no engine of its own for the farm uses the one that it shows.
        results.engines.update({name: results.real_engine(bpy.data.scenes[name]) for name in self._before})
        for name in self._before:
            bpy.data.scenes[name].render.engine = properties.ENGINE

    def restore(self) -> None:
        for name, engine in self._before.items():
            results.engines.pop(name, None)
            results.asked_by.pop(name, None)
            if (scene := bpy.data.scenes.get(name)) is not None:
                scene.render.engine = engine


@dataclass
class Writing:
    """A run that Blender renders now."""

    scene: str
    run: Run
    shown: Shown
    folders: Mapping[str, Path]
    before: dict[str, Any] = field(default_factory=dict)
    cancelled: bool = False  # by Esc in the render's window

    @classmethod
    def prepare(cls, scene: Any, run: Run, folders: Mapping[str, Path]) -> Writing:
        """Change what has to be changed. ``folders`` has the frames of each scene that the farm rendered."""
        shown = Shown([bpy.data.scenes[name] for name in folders if name in bpy.data.scenes], scene)
        before = {"frame_step": scene.frame_step}
        scene.frame_step = run.step
        if not compat.KEEPS_RANGE:
            before |= {"frame_start": scene.frame_start, "frame_end": scene.frame_end}
            _set_range(scene, run.first, run.last)
        results.sources.update(folders)
        return cls(scene.name, run, shown, folders, before)

    def render(self, *, window: bool) -> None:
        """All of it; in a window it only begins. Raises StorageError if Blender cannot write."""
        scene = bpy.data.scenes[self.scene]
        results.failures.clear()
        bpy.app.handlers.render_cancel.append(self.on_cancel)
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

    def restore(self) -> str:
        """Put everything back. Returns what is wrong with the frames, if something is."""
        if self.on_cancel in bpy.app.handlers.render_cancel:
            bpy.app.handlers.render_cancel.remove(self.on_cancel)
        for name in self.folders:
            results.sources.pop(name, None)
        self.shown.restore()
        scene = bpy.data.scenes.get(self.scene)
        if scene is not None:
            scene.frame_step = self.before["frame_step"]
            if "frame_start" in self.before:
                _set_range(scene, self.before["frame_start"], self.before["frame_end"])
        failure = results.take_failure()
        if failure or self.cancelled or scene is None:
            return failure
        return written.problem(scene, self.run.frames)


def _set_range(scene: Any, first: int, last: int) -> None:
    # Blender keeps the end behind the start, so the start is set again.
    scene.frame_start, scene.frame_end = first, last
    scene.frame_start = first


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


def write(scene: Any, run: Run, folders: Mapping[str, Path]) -> None:
    """Render a run from start to end. Raises StorageError, or NoResult if a frame could not be shown."""
    writing = Writing.prepare(scene, run, folders)
    failure = ""
    try:
        writing.render(window=False)
    finally:
        failure = writing.restore()
    if failure:
        raise results.NoResult(failure)
