"""Whether the files that Blender wrote are whole: of a full disk it says nothing for PNG, EXR, movies and others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .renderer import exr_file, space

_PNG_END = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
_LITTLE = 2**16  # bytes: where not even these can be written, what was written last is cut off


def problem(scene: Any, frames: Iterable[int]) -> str:
    """What is wrong with the files of these frames; empty if nothing is."""
    if scene.render.is_movie_format:
        path = Path(scene.render.frame_path(frame=scene.frame_start))
        why = space.obstacle(path.parent, _LITTLE)
        return f"the movie in {path.parent} is not whole ({why}); {_THEN}" if why else ""
    for frame in frames:
        for path in _paths(scene.render, frame):
            if why := broken(path):
                return f"{path} is not whole ({why}); {_THEN}"
    return ""


_THEN = "make room, and gather the frames again"


def _paths(render: Any, frame: int) -> Iterator[Path]:
    names = [""]
    if render.use_multiview and render.image_settings.views_format == "INDIVIDUAL":
        names = [view.name for view in render.views if view.use]
    for name in names:
        path = Path(render.frame_path(frame=frame, view=name))
        if path.exists() or not name:
            yield path


def broken(path: Path) -> str:
    """Why the file is not whole; empty if it is, as far as its format tells."""
    try:
        if path.suffix.lower() == ".exr":
            exr_file.check(path)
            return ""
        if path.suffix.lower() == ".png":
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - len(_PNG_END)))
                found = "" if file.read() == _PNG_END else "its end is missing"
        else:
            found = "" if path.stat().st_size else "it is empty"
            found = found or space.obstacle(path.parent, _LITTLE)
    except exr_file.Broken as error:
        found = str(error)
    except OSError as error:
        return error.strerror or str(error)
    return found and (space.obstacle(path.parent, _LITTLE) or found)
