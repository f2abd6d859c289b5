"""Errors in the words of Blender's window: what the shared code calls an option has another place here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coordinator.errors import NetrenderError

_PHRASES = (
    (
        "start one with 'netrender coordinator', or name another with --coordinator URL",
        "start one (Master mode, or 'netrender coordinator'), or set its address in the Network Render panel",
    ),
    ("or render without: --allow-missing", "or render without: Allow Missing Files (allow_missing=True)"),
    (
        "Name one with --engine, or another Blender with --blender PATH",
        "Choose one in the Network Render panel",
    ),
    ("or choose another folder with --output", "or choose another cache folder in the extension's preferences"),
    ("choose another with --output", "choose another cache folder in the extension's preferences"),
    ("start one, or name it with --coordinator", "start one, or set its address in the Network Render panel"),
    ("or give --frames", "or Frames in the Network Render panel"),
)


def reworded(error: NetrenderError) -> NetrenderError:
    """The same error."""
    text = error.message
    for theirs, ours in _PHRASES:
        text = text.replace(theirs, ours)
    return error if text == error.message else type(error)(text)
