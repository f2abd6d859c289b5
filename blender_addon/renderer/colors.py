"""The OpenColorIO configuration, where it is not Blender's own: it decides how textures and lights are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy


def configuration() -> str:
    """Absolute path of the file; empty for Blender's own."""
    utils: Any = bpy.utils  # the stubs lack the function
    blenders = utils.system_resource("DATAFILES", path="colormanagement")
    # BLENDER_OCIO is looked at first, by the versions that know it.
    for variable in ("BLENDER_OCIO", "OCIO"):
        path = os.environ.get(variable, "")
        if path and Path(path).is_file():
            # Some builds set the variable themselves, for the libraries that they use.
            own = blenders and Path(path).resolve().is_relative_to(Path(blenders).resolve())
            return "" if own else os.path.abspath(path)  # noqa: PTH100  # links stay as they are
    folder = bpy.utils.user_resource("DATAFILES", path="colormanagement")
    users = Path(folder, "config.ocio") if folder else None
    return str(users) if users is not None and users.is_file() else ""


def files(configuration: str) -> list[str]:
    """It and its folder: its tables are there, at paths that only OpenColorIO resolves. An archive is one file."""
    path = Path(configuration)
    if path.suffix != ".ocio":
        return [configuration]
    return [str(file) for file in sorted(path.parent.rglob("*")) if file.is_file()]
