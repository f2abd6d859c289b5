"""Windows and editors: one that shows an image or a text, found or opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy


def areas(kind: str) -> Iterator[tuple[Any, Any]]:
    """Every window and area with an editor of this kind."""
    manager: Any = bpy.context.window_manager
    for window in manager.windows:
        for area in window.screen.areas:
            if area.type == kind:
                yield window, area


def showing(image_name: str) -> Iterator[Any]:
    """The areas in which an Image Editor shows this image."""
    for _, area in areas("IMAGE_EDITOR"):
        image = area.spaces.active.image
        if image is not None and image.name == image_name:
            yield area


def show_image(context: Any, image: Any) -> None:
    """In an Image Editor that shows it, or nothing else, or in a new window."""
    if any(showing(image.name)):
        return
    empty = (area for _, area in areas("IMAGE_EDITOR") if area.spaces.active.image is None and area.ui_type != "UV")
    area = next(empty, None) or new_window(context, "IMAGE_EDITOR")
    area.spaces.active.image = image


def show_text(context: Any, text: Any) -> None:
    """In a Text Editor, which may be in a new window."""
    area = next((area for _, area in areas("TEXT_EDITOR")), None) or new_window(context, "TEXT_EDITOR")
    area.spaces.active.text = text


def new_window(context: Any, kind: str) -> Any:
    """The one area of a new window."""
    area = max(context.window.screen.areas, key=lambda area: area.width * area.height)
    before = set(context.window_manager.windows)
    with context.temp_override(area=area):
        bpy.ops.screen.area_dupli("INVOKE_DEFAULT")
    window = next(window for window in context.window_manager.windows if window not in before)
    (made,) = window.screen.areas
    made.type = kind
    return made
