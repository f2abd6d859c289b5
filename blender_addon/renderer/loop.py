"""The loop: a command in, its replies out, until the agent says ``quit`` or closes the pipe."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import bpy

from .. import compat
from . import confinement, devices, inspection, scene
from . import frame as rendering
from .channel import Channel, Failure, no_storage, out_of_memory, renderer_error

# In the log of the frame whose script is refused something: the owner of the file may read it, after all.
HINT = (
    "netrender: scripts here may read the job's files and the folders of --path-map, and write to {}; what else they "
    "open or connect to is refused (Permission denied)"
)


class Renderer:
    """What is open, and what each command does with it."""

    def __init__(self, channel: Channel, machine: scene.Machine, held: confinement.Confinement) -> None:
        self._channel = channel
        self._machine = machine
        self._held = held
        self._open: scene.OpenScene | None = None

    def obey(self, command: dict[str, Any]) -> None:
        """Carry out one command. Raises Failure."""
        actions: dict[Any, Callable[..., None]] = {
            "open": self._do_open,
            "render": self._do_render,
            "inspect": self._do_inspect,
        }
        do = command.pop("do", None)
        if do not in actions:
            raise renderer_error(f"unknown command {do!r}; there are open, render, inspect and quit")
        actions[do](**command)

    def _refuse_second(self) -> None:
        # Blender gives the memory of the first scene back only when the process ends.
        if bpy.data.filepath:
            raise renderer_error(f"a renderer holds one scene, and this one has {bpy.data.filepath}; start another")

    def _do_open(self, *, blend: str, **settings: Any) -> None:
        self._refuse_second()
        started = time.monotonic()
        if self._machine.allow_scripts and confinement.FILES in self._held.holds:
            print(HINT.format(tempfile.gettempdir()), file=sys.stderr)
        self._open = scene.open_scene(blend, scene.Settings(**settings), self._machine)
        self._channel.send(type="opened", seconds=round(time.monotonic() - started, 3))

    def _do_render(self, *, frame: int, output: str) -> None:
        if self._open is None:
            raise renderer_error("render before a scene was opened")
        started = time.monotonic()
        rendering.render_frame(self._open, frame, output, self._channel)
        self._channel.send(type="rendered", frame=frame, seconds=round(time.monotonic() - started, 3))

    def _do_inspect(self, *, blend: str, **wanted: Any) -> None:
        self._refuse_second()
        self._channel.send(type="inspected", **inspection.inspect(blend, **wanted))


def features(told: Sequence[str]) -> list[str]:
    """What a job may ask for; ``told`` are the devices that the slave was started with."""
    return ["denoiser"] * compat.has_denoiser() + ["gpu"] * devices.has_gpu(told)


def _failure(error: Exception) -> Failure:
    """What an exception that nobody expected is for the agent."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return out_of_memory(f"not enough memory: {text}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_storage(text)
    return renderer_error(text)


def run(
    told: Sequence[str] = (),
    *,
    allow_scripts: bool = False,
    held: confinement.Confinement = confinement.NONE,
) -> int:
    """Serve until told to quit. Returns the exit status."""
    channel = Channel()
    channel.send(
        type="ready",
        blender=compat.VERSION_TEXT,
        engines=compat.engines(),
        features=features(told),
        pid=os.getpid(),
        confined=held.holds,
        unconfined=held.why,
    )
    channel.listen()
    renderer = Renderer(channel, scene.Machine(tuple(told), allow_scripts), held)
    while True:
        try:
            command = channel.receive()
            if command.get("do") == "quit":
                return 0
            renderer.obey(command)
        except Failure as failure:
            channel.send(type="error", code=failure.code, message=failure.message, **failure.details)
        except Exception as error:  # whatever Blender raises must reach the agent, and not end the process
            traceback.print_exc()
            found = _failure(error)
            channel.send(type="error", code=found.code, message=found.message, **found.details)
        sys.stderr.flush()
