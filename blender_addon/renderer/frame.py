"""Renders one frame to a file that is whole or not there, and reports the samples on the way."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import Any

import bpy

from .. import compat
from . import exr_file
from .channel import Channel, renderer_error
from .scene import OpenScene

PROGRESS_INTERVAL = 0.2  # seconds between two messages: a person sees no more, and a quick scene has thousands

# Cycles, 4.2 to 4.5: "Fra:1 Mem:8.4M (Peak 8.4M) | Time:00:00.02 | ... | Scene, ViewLayer | Sample 1/40"
#         5.0 to 5.2:  "Remaining: 00:00.06 | Mem: 2M | Sample 1/40"
# EEVEE,  4.2 to 5.2:  "Rendering 1 / 64 samples"
_SAMPLE = re.compile(r"(?:Sample |Rendering )(\d+) ?/ ?(\d+)")


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
    except RuntimeError as error:
        text = " ".join(str(error).split())
        hint = f"; is the disk full, or {target.parent} not writable?" if "cannot save" in text else ""
        raise renderer_error(f"frame {frame}: {text}{hint}") from error
    except FileNotFoundError as error:
        raise renderer_error(f"frame {frame}: Blender wrote no result to {part}; see its log") from error
    except OSError as error:
        raise renderer_error(f"frame {frame}: cannot write {target}: {error.strerror}") from error
    except exr_file.Broken as error:
        raise renderer_error(
            f"frame {frame}: the result in {target.parent} is not whole ({error}); is the disk full?"
        ) from error
    finally:
        bpy.app.handlers.render_stats.remove(progress)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
