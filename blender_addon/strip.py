"""The strip of frames at the bottom of the player, and the line above it. Draws with Blender's gpu module."""

from __future__ import annotations

from typing import Any

import blf
import gpu
from gpu_extras.batch import batch_for_shader

from . import film

Color = tuple[float, float, float, float]

COLORS: dict[str, Color] = {
    film.THERE: (0.28, 0.56, 0.80, 1.0),
    film.FAILED: (0.80, 0.25, 0.22, 1.0),
    film.GAP: (0.16, 0.16, 0.16, 1.0),
}
CURSOR: Color = (1.0, 1.0, 1.0, 1.0)
BACKGROUND: Color = (0.0, 0.0, 0.0, 0.6)
MARGIN, HEIGHT, LETTERS = 16, 12, 13  # pixels at a scale of 1


def draw(context: Any, shown: film.Film | None, text: str) -> None:
    """At the bottom of the region that Blender draws now."""
    scale = context.preferences.system.ui_scale
    margin, height = MARGIN * scale, HEIGHT * scale
    width = context.region.width - 2 * margin
    gpu.state.blend_set("ALPHA")
    rectangle(0, 0, context.region.width, 2 * margin + height + LETTERS * scale, BACKGROUND)
    if shown is not None and width > 0:
        cell = width / len(shown.frames)
        for state, first, count in shown.runs():
            rectangle(margin + first * cell, margin, count * cell, height, COLORS[state])
        at = margin + (shown.at + 0.5) * cell
        rectangle(at - scale, margin - 3 * scale, 2 * scale, height + 6 * scale, CURSOR)
    gpu.state.blend_set("NONE")
    blf.size(0, LETTERS * scale)
    blf.color(0, *CURSOR)
    blf.position(0, margin, 1.6 * margin + height, 0)
    blf.draw(0, text)


def rectangle(x: float, y: float, width: float, height: float, color: Color) -> None:
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    corners = [(x, y), (x + width, y), (x, y + height), (x + width, y + height)]
    batch: Any = batch_for_shader(shader, "TRI_STRIP", {"pos": corners})
    shader.uniform_float("color", color)
    batch.draw(shader)
