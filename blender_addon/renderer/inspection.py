"""What a client must know about a .blend before it sends it: what renders, what that needs, which files."""

from __future__ import annotations

from typing import Any

import bpy

from .. import compat
from . import colors, files
from .choices import choose_engine, choose_layers, choose_scene, has_camera, needs_denoiser
from .numbered import Frames
from .scene import open_blend


def inspect(
    blend: str,
    scene: str | None = None,
    engine: str | None = None,
    view_layers: list[str] | None = None,
    frames: list[list[int]] | None = None,
) -> dict[str, Any]:
    """The fields of ``inspected``. Raises Failure."""
    open_blend(blend)
    return describe(scene, engine, view_layers, frames)


def describe(
    scene: str | None, engine: str | None, view_layers: list[str] | None, frames: list[list[int]] | None = None
) -> dict[str, Any]:
    """The same of what Blender has open: changes that nobody saved count too. Raises Failure.

    ``frames`` are spans (first, last, step) of those that will be rendered; None for the scene's own range.
    """
    chosen = choose_scene(scene)
    renderer = choose_engine(chosen, engine)
    layers = choose_layers(chosen, view_layers or [])
    found = files.collect(Frames.of(chosen, frames))
    return {
        "blender": f"{bpy.data.version[0]}.{bpy.data.version[1]}",
        "scene": chosen.name,
        "scenes": bpy.data.scenes.keys(),
        "engine": renderer,
        "engines": compat.engines(),
        "view_layers": [layer.name for layer in layers],
        "camera": has_camera(chosen),
        "frames": [chosen.frame_start, chosen.frame_end, chosen.frame_step],
        "features": ["denoiser"] if needs_denoiser(chosen, renderer, layers) else [],
        "colors": colors.configuration(),
        "files": [file.as_dict() for file in found if file.exists],
        "missing": [file.as_dict() for file in found if not file.exists and file.needed],
    }
