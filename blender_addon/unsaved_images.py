"""Images that were painted in Blender and not saved: a .blend does not have their pixels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy

from . import compat, written
from .renderer import files


@contextlib.contextmanager
def packed() -> Iterator[None]:
    """Meanwhile, packed copies stand for the images that live in this Blender alone."""
    swapped = []
    try:
        for image in _dirty("GENERATED", "FILE"):
            if image.source == "GENERATED" or image.packed_file is not None:
                copy = _packed_copy(image)
                image.user_remap(copy)
                swapped.append((image, copy))
        yield
    finally:
        for image, copy in swapped:
            copy.user_remap(image)
            bpy.data.images.remove(copy)


def save(folder: Path) -> dict[str, Path]:
    """Write the changed images of files into the folder; by the path of the file whose place they take.

    Raises OSError for one that is not whole: of a full disk Blender says nothing.
    """
    saved: dict[str, Path] = {}
    for image in _dirty("FILE"):
        if image.filepath and image.packed_file is None:
            path = folder / f"{len(saved)}{Path(image.filepath).suffix}"
            compat.save_image_copy(image, str(path))
            if why := written.broken(path):
                raise OSError(f"the changed image {image.name!r} is not whole: {why}")
            saved[files.absolute(image.filepath, image.library)] = path
    return saved


def _dirty(*sources: str) -> list[Any]:
    return [image for image in bpy.data.images if image.is_dirty and image.source in sources and image.has_data]


def _packed_copy(image: Any) -> Any:
    width, height = image.size
    copy: Any = bpy.data.images.new(image.name, width, height, alpha=image.channels == 4, float_buffer=image.is_float)
    copy.colorspace_settings.name = image.colorspace_settings.name
    copy.alpha_mode = image.alpha_mode
    pixels = numpy.empty(len(image.pixels), numpy.float32)
    image.pixels.foreach_get(pixels)
    copy.pixels.foreach_set(pixels)
    copy.pack()
    return copy
