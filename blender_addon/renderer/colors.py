"""The OpenColorIO configuration, where it is not Blender's own: it decides how textures and lights are read."""

from __future__ import annotations

import os
from pathlib import Path

import bpy


def configuration() -> str:
    """Absolute path of the file; empty for Blender's own."""
    # BLENDER_OCIO is looked at first, by the versions that know it.
    for variable in ("BLENDER_OCIO", "OCIO"):
        path = os.environ.get(variable, "")
        if path and Path(path).is_file():
            return os.path.abspath(path)  # noqa: PTH100  # links stay as they are
    folder = bpy.utils.user_resource("DATAFILES", path="colormanagement")
    own = Path(folder, "config.ocio") if folder else None
    return str(own) if own is not None and own.is_file() else ""


def files(configuration: str) -> list[str]:
    """It and its folder: its tables are there, at paths that only OpenColorIO resolves. An archive is one file."""
    path = Path(configuration)
    if path.suffix != ".ocio":
        return [configuration]
    return [str(file) for file in sorted(path.parent.rglob("*")) if file.is_file()]
