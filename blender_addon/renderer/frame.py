"""Renders one frame to a file that is whole or not there, and reports the samples on the way."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import Any

import bpy

from .. import compat
from . import exr_file, space
from .channel import Channel, Failure, no_storage, out_of_memory, renderer_error
from .scene import OpenScene

PROGRESS_INTERVAL = 0.2  # seconds between two messages: a person sees no more, and a quick scene has thousands

# Cycles, 4.2 to 4.5: "Fra:1 Mem:8.4M (Peak 8.4M) | Time:00:00.02 | ... | Scene, ViewLayer | Sample 1/40"
#         5.0 to 5.2:  "Remaining: 00:00.06 | Mem: 2M | Sample 1/40"
# EEVEE,  4.2 to 5.2:  "Rendering 1 / 64 samples"
_SAMPLE = re.compile(r"(?:Sample |Rendering )(\d+) ?/ ?(\d+)")
# Cycles: "Out of memory in cuMemAlloc ...", "System is out of GPU and shared host memory"
_OUT_OF_MEMORY = re.compile(r"\bout of (?:(?:\w+ ){0,4})memory\b", re.IGNORECASE)

_LARGEST_TRIED = 64 * 2**20  # bytes: a scene may say that its frames are as large as any disk


class Progress:
    """Turns Blender's status texts into samples of the whole frame."""

    def __init__(self, channel: Channel, frame: int, passes: int) -> None:
        self._channel = channel
        self._frame = frame
        self._passes = passes  # view layers times views: each counts its samples from the start
        self._finished = 0
        self._last_sample = 0
        self._last_sent = 0.0

    def __call__(self, text: str, *_: Any) -> None:
        match = _SAMPLE.search(text)
        if match is None:
            return
        sample, samples = int(match[1]), int(match[2])
        if sample < self._last_sample:
            self._finished = min(self._finished + 1, self._passes - 1)
        self._last_sample = sample
        now = time.monotonic()
        if now - self._last_sent >= PROGRESS_INTERVAL:
            self._last_sent = now
            self._channel.send(
                type="progress",
                frame=self._frame,
                sample=self._finished * samples + sample,
                samples=self._passes * samples,
            )


def render_frame(opened: OpenScene, frame: int, output: str, channel: Channel) -> None:
    """Render ``frame`` into the file ``output``. Raises Failure, and then there is no file of that name from here."""
    target = Path(output)
    part = target.with_name(target.name + ".part")
    scene = opened.scene
    # Not `frame_set`, which evaluates the scene once more for the window. A still takes its number from the scene in
    # the window. An animation of one frame would do as well, but for drivers that read the scene's frame range.
    scene.frame_current = opened.stage.frame_current = frame
    scene.frame_subframe = opened.stage.frame_subframe = 0.0
    scene.render.filepath = compat.literal_path(str(part))
    progress: Any = Progress(channel, frame, opened.passes)
    bpy.app.handlers.render_stats.append(progress)
    try:
        part.unlink(missing_ok=True)
        # The only other way is the scene in the window. `choose_scene` made sure that the name means this scene.
        bpy.ops.render.render(write_still=True, scene=scene.name)
        exr_file.check(part)
        # Blender writes where this machine has the file, and what the machine is called. It can be told to leave them
        # out, but not for sure: the settings may be animated.
        exr_file.replace_texts(part, {"File": opened.name, "Hostname": ""})
        part.replace(target)
    except (RuntimeError, MemoryError, OSError, exr_file.Broken) as error:
        raise _failure(error, frame, part, scene) from error
    finally:
        bpy.app.handlers.render_stats.remove(progress)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _failure(error: Exception, frame: int, part: Path, scene: Any) -> Failure:
    """Whose fault it is that there is no result, and what it is: the disk is asked, because Blender does not know."""
    text = " ".join(str(error).split())
    if isinstance(error, FileNotFoundError):
        text = f"Blender wrote no result to {part}; see its log"
    elif isinstance(error, OSError):
        text = f"cannot write {part.with_suffix('')}: {error.strerror}"
    elif isinstance(error, exr_file.Broken):
        text = f"the result in {part.parent} is not whole ({error})"
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(text):
        return out_of_memory(f"frame {frame}: not enough memory: {text or 'MemoryError'}")
    size = max(space.LEAST, min(4 * 4 * scene.render.resolution_x * scene.render.resolution_y, _LARGEST_TRIED))
    with contextlib.suppress(OSError):
        size = max(size, 2 * part.stat().st_size)  # it came so far
        part.unlink()  # what it has taken is free for another try
    obstacle = space.obstacle(part.parent, size)
    if not obstacle and bpy.app.tempdir and Path(bpy.app.tempdir).is_dir():  # where Blender puts aside what it renders
        obstacle = space.obstacle(Path(bpy.app.tempdir), size)
    if obstacle:
        return no_storage(f"frame {frame}: the result cannot be written: {obstacle}", size)
    return renderer_error(f"frame {frame}: {text}")
