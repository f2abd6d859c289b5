"""Which files of a sequence the scene shows, and when: that is up to what plays it. Formulas as in Blender's source."""

from __future__ import annotations

from typing import Any

import bpy

from .. import compat
from .image_users import image_users
from .numbered import Frames, Numbers


def numbers(block: Any, frames: Frames) -> Numbers | None:
    """The numbers in the names at a frame; None if that cannot be told."""
    if isinstance(block, bpy.types.Image):
        return _image(block)
    if isinstance(block, bpy.types.Volume):
        return None if _is_animated(block, "frame_", "sequence_mode") else _volume(block)
    if isinstance(block, bpy.types.CacheFile):
        return None if _is_animated(block, "frame", "override_frame") else _cache_file(block)
    return None  # movie clips: what reads them is not known


def _is_animated(block: Any, *names: str) -> bool:
    return any(path.startswith(names) for path in compat.animated_paths(block))


def _image(image: Any) -> Numbers | None:
    users = image_users().get(image.as_pointer())
    if not users or any(user.duration < 1 or user.animated for user in users):
        return None
    return lambda frame: {user.number(frame) for user in users}


def _volume(volume: Any) -> Numbers:
    """volume_sequence_frame in Blender's volume.cc."""
    start, duration, offset, mode = (
        volume.frame_start,
        volume.frame_duration,
        volume.frame_offset,
        volume.sequence_mode,
    )

    def at(frame: int) -> list[int]:
        number = frame - start + 1
        if duration < 1 or (mode == "CLIP" and not 1 <= number <= duration):
            return []
        if mode == "EXTEND":
            number = min(max(number, 1), duration)
        elif mode == "REPEAT":
            number = number % duration or duration
        elif mode == "PING_PONG":
            turn = max(1, duration * 2 - 2)
            number = number % turn or turn
            number = duration * 2 - number if number > duration else number
        return [number + offset]

    return at


def _cache_file(cache: Any) -> Numbers:
    """BKE_cachefile_filepath_get: the frame itself, or one that is the same always."""
    return lambda frame: [int(cache.frame)] if cache.override_frame else [frame]
