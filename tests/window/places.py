"""Where the things are that a person clicks in Properties > Render.

The eye finds the row of the three modes first, of which one is blue; the rest is a number of rows below it. Blender 4.2
to 5.2 lay out the same rows; what a click did is looked at after each.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy
from PIL import Image

from .blender_window import BlenderWindow
from .screen import SIZE

REGIONS = (
    "[[r.type, r.x, r.y, r.width, r.height] for a in bpy.context.window_manager.windows[0].screen.areas"
    " if a.type == 'PROPERTIES' for r in a.regions]"
)
RENDER_TAB = 59  # pixels below the top of the column of tabs
BLUE = (71, 114, 179)  # of what is chosen, in Blender's own theme
LIKE = 6  # how much a colour may differ
WIDE = 40  # pixels that a blue button has at least in a line

# The middle of each: its share of the region's width, and pixels below the middle of the row of modes.
MASTER, SLAVE = (0.53, 0), (0.83, 0)
START = (0.5, 82)
ANIMATION = (0.5, 106)
PLAY = (0.75, 152)

ASIDE = (700, 500)  # the middle of the 3D viewport


def open_render_tab(window: BlenderWindow) -> None:
    window.screen.press("Escape")  # the splash screen
    window.rest()
    x, top, width = _region(window, "NAVIGATION_BAR")
    _click(window, x + width // 2, top + RENDER_TAB)


def click(window: BlenderWindow, place: tuple[float, int]) -> None:
    x, top, width = _region(window, "WINDOW")
    _click(window, x + round(width * place[0]), _row_of_modes(window, x, top, width) + place[1])


def _row_of_modes(window: BlenderWindow, x: int, top: int, width: int) -> int:
    """Where its middle is: of the first blue button from above."""
    with tempfile.TemporaryDirectory() as folder:
        path = window.screen.picture(Path(folder) / "screen.png")
        with Image.open(path) as image:
            pixels = numpy.asarray(image.convert("RGB"), int)[top:, x : x + width]
    blue = (abs(pixels - BLUE) <= LIKE).all(axis=2).sum(axis=1) >= WIDE
    lines = numpy.flatnonzero(blue)
    assert len(lines), "no button in Properties > Render is blue"
    gaps = numpy.flatnonzero(numpy.diff(lines) > 3)
    last = lines[gaps[0]] if len(gaps) else lines[-1]
    return top + int(lines[0] + last) // 2


def _region(window: BlenderWindow, name: str) -> tuple[int, int, int]:
    """Left, top and width, as the screen counts."""
    for kind, x, y, width, height in window.ask(REGIONS):
        if kind == name:
            return x, SIZE[1] - y - height, width
    raise AssertionError(f"no {name} in the Properties editor")


def _click(window: BlenderWindow, x: int, y: int) -> None:
    # Blender takes note of the button below the mouse when the mouse moves: so it comes from beside it, and rests.
    window.screen.move(x - 3, y - 2)
    window.rest()
    window.screen.move(x, y)
    window.rest()
    window.screen.hold()
    window.rest()
    window.screen.release()
    window.rest()
    window.screen.move(*ASIDE)  # or a tooltip would cover what the click has changed
