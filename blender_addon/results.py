"""A frame's multilayer EXR into Blender's render result: every pass, layer and view, and Cryptomatte's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy

from . import exr, farm, properties

sources: dict[str, Path] = {}  # by scene: the folder with the frames that Blender writes now
engines: dict[str, str] = {}  # by scene that the engine NETRENDER shows now: the one that rendered it
asked_by: dict[str, str] = {}  # by scene that the engine NETRENDER shows now: the one that is rendered, which cuts it
_black: set[Path] = set()  # files that Blender is about to write for frames that failed
failures: dict[str, str] = {}  # by scene: why a frame could not be shown; Blender itself goes on with a black one


def real_engine(scene: Any) -> str:
    """The engine of the slaves, while this scene is shown by ours too."""
    return engines.get(scene.name) or properties.real_engine(scene)


def fail(scene: Any, why: str, *, animation: bool) -> None:
    """Remember that the frame which Blender renders now cannot be shown."""
    failures.setdefault(scene.name, why)
    _black.add(_output(scene.render, scene.frame_current if animation else None))


def remove_black(*_: Any) -> None:
    """After Blender has written a file: it does so for a frame that failed too, and nothing can keep it from that."""
    for path in _black:
        path.unlink(missing_ok=True)
    _black.clear()


def _output(render: Any, frame: int | None) -> Path:
    """Where Blender writes the frame; None for a still, whose name has no number."""
    if frame is not None:
        return Path(render.frame_path(frame=frame))
    path = Path(bpy.path.abspath(render.filepath))
    extension = render.file_extension if render.use_file_extension else ""
    return path if path.name.lower().endswith(extension) else path.with_name(path.name + extension)


def written_by_farm(scene: Any) -> Path | None:
    """The file of the frame that Blender writes now, if it was gathered."""
    folder = sources.get(scene.name)
    if folder is None:
        return None
    path: Path = folder / farm.gathering.frame_name(scene.frame_current)
    return path if path.is_file() else None


def forget() -> None:
    """All that was meant for scenes of a file that is not open any more, and of which another may have the names."""
    for known in (sources, engines, asked_by, failures):
        known.clear()
    _black.clear()


def take_failure() -> str:
    """Why a frame could not be shown, once."""
    failure = next(iter(failures.values()), "")
    failures.clear()
    return failure


class NoResult(Exception):
    """There is nothing that could be shown for this frame; the text says why and what to do."""


class Frame:
    """One decoded file. Blender asks for it once for each view layer."""

    def __init__(self, path: Path) -> None:
        try:
            self._reader = exr.Reader(path)
            self._pixels = self._reader.pixels()
        except exr.Unreadable as error:
            raise NoResult(f"{error}; delete it and gather the frame again") from error
        self.path = path
        self.texts = self._reader.texts
        self.size = self._reader.size

    def plane(self, layer: str, render_pass: str, view: str, channel: str) -> Any:
        """The pixels of one channel, the top line first; None if the file does not have it."""
        # Blender 5 has a part for each view; Blender 4 has the view in the channel's name.
        names = [(view, f"{layer}.{render_pass}.{channel}"), ("", f"{layer}.{render_pass}.{channel}")]
        if view:
            names.insert(1, ("", f"{layer}.{render_pass}.{view}.{channel}"))
        return next((self._pixels[name] for name in names if name in self._pixels), None)


def fill(engine: Any, depsgraph: Any, frame: Frame) -> list[str]:
    """Give Blender the pixels of the view layer that it renders now. Returns the passes that the file lacks.

    Raises NoResult if the file has another size than the render.
    """
    layer_name = depsgraph.view_layer_eval.name
    whole = engine.get_result()
    width, height = whole.resolution_x, whole.resolution_y
    left, top = _offset(frame, depsgraph.scene.render, width, height)
    missing = []
    result = engine.begin_result(0, 0, width, height, layer=layer_name)
    try:
        views = [view.name for view in result.views]
        for render_pass in result.layers[0].passes:
            view = views[render_pass.view_id] if len(views) > 1 else ""
            planes = [frame.plane(layer_name, render_pass.name, view, channel) for channel in render_pass.channel_id]
            if any(plane is None for plane in planes):
                missing.append(render_pass.name)
                continue
            pixels = numpy.stack([plane[top : top + height, left : left + width] for plane in planes], axis=-1)
            # Blender begins with the line at the bottom.
            render_pass.rect.foreach_set(numpy.ascontiguousarray(pixels[::-1], numpy.float32).ravel())
    finally:
        engine.end_result(result)
    for name, text in frame.texts.items():
        if name.startswith(("cryptomatte/", "cycles.")):
            whole.stamp_data_add_field(name, text)
    return missing


def _offset(frame: Frame, render: Any, width: int, height: int) -> tuple[int, int]:
    """Where the render's rectangle lies in the file, from its top left. Raises NoResult."""
    if frame.size == (width, height):
        return 0, 0
    full = (
        render.resolution_x * render.resolution_percentage // 100,
        render.resolution_y * render.resolution_percentage // 100,
    )
    if render.use_border and frame.size == full:  # not cropped: black around the border
        left, bottom = int(render.border_min_x * full[0]), int(render.border_min_y * full[1])
        return left, full[1] - bottom - height
    raise NoResult(
        f"{frame.path} has {frame.size[0]} x {frame.size[1]} pixels, and this scene renders {width} x {height}: "
        "set the resolution back, or send the scene again"
    )
