"""Whether the files that Blender wrote are whole: of a full disk it says nothing for PNG, EXR and some others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .renderer import exr_file

_PNG_END = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"


def problem(scene: Any, frames: Iterable[int]) -> str:
    """What is wrong with the files of these frames; empty if nothing is."""
    if scene.render.is_movie_format:
        return ""
    for frame in frames:
        for path in _paths(scene.render, frame):
            if why := _broken(path):
                return f"{path} is not whole ({why}); is the disk full? Gather the frames again when there is room"
    return ""


def _paths(render: Any, frame: int) -> Iterator[Path]:
    names = [""]
    if render.use_multiview and render.image_settings.views_format == "INDIVIDUAL":
        names = [view.name for view in render.views if view.use]
    for name in names:
        path = Path(render.frame_path(frame=frame, view=name))
        if path.exists() or not name:
            yield path


def _broken(path: Path) -> str:
    try:
        if path.suffix.lower() == ".exr":
            exr_file.check(path)
        elif path.suffix.lower() == ".png":
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - len(_PNG_END)))
                return "" if file.read() == _PNG_END else "its end is missing"
        elif not path.stat().st_size:
            return "it is empty"
    except exr_file.Broken as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return ""
