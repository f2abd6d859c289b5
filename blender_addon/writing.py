"""Gathered frames through this Blender's compositor, sequencer, colour management and output settings.

A run of frames is an ordinary animation render, by the engine NETRENDER, which takes each frame from the cache. What
has to be changed in the scene for that is changed only meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from . import compat, farm, properties, results
from .gathering import Run


@dataclass
class Writing:
    """A run that Blender renders now. Names, not references: in a window this lives over many ticks."""

    scene: str
    run: Run
    folder: Path
    before: dict[str, Any]
    cancelled: bool = False  # by Esc in the render's window

    @classmethod
    def prepare(cls, scene: Any, run: Run, folder: Path) -> Writing:
        """Change what has to be changed."""
        before = {"engine": scene.render.engine, "frame_step": scene.frame_step}
        scene.render.engine = properties.ENGINE
        scene.frame_step = run.step
        if not compat.KEEPS_RANGE:
            before |= {"frame_start": scene.frame_start, "frame_end": scene.frame_end}
            # In this order, as Blender keeps the end behind the start.
            scene.frame_start, scene.frame_end = run.first, run.last
            scene.frame_start = run.first
        results.sources[scene.name] = folder
        return cls(scene.name, run, folder, before)

    def render(self, *, window: bool) -> None:
        """All of it; in a window it only begins. Raises StorageError if Blender cannot write."""
        scene = bpy.data.scenes[self.scene]
        results.failures.pop(self.scene, None)
        bpy.app.handlers.render_cancel.append(self.on_cancel)
        try:
            compat.render_animation(self.run.first, self.run.last, self.run.step, scene=scene, window=window)
        except RuntimeError as error:
            raise farm.errors.StorageError(
                f"Blender could not write the frames: {' '.join(str(error).split())}; check the output path and format"
            ) from error

    def on_cancel(self, *_: Any) -> None:
        """Blender calls it, from its render thread."""
        self.cancelled = True

    def restore(self) -> None:
        """Put everything back."""
        if self.on_cancel in bpy.app.handlers.render_cancel:
            bpy.app.handlers.render_cancel.remove(self.on_cancel)
        results.sources.pop(self.scene, None)
        scene = bpy.data.scenes.get(self.scene)
        if scene is None:
            return
        scene.render.engine = self.before["engine"]
        scene.frame_step = self.before["frame_step"]
        if "frame_start" in self.before:
            scene.frame_start, scene.frame_end = self.before["frame_start"], self.before["frame_end"]
            scene.frame_start = self.before["frame_start"]


def is_rendering() -> bool:
    """Whether a render that a window began goes on."""
    return bool(bpy.app.is_job_running("RENDER"))


def write(scene: Any, run: Run, folder: Path) -> None:
    """Render a run from start to end. Raises StorageError, or NoResult if a frame could not be shown."""
    writing = Writing.prepare(scene, run, folder)
    try:
        writing.render(window=False)
    finally:
        writing.restore()
    if failure := results.failures.pop(scene.name, ""):
        raise results.NoResult(failure)
