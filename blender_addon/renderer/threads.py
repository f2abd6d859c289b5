"""How many threads Blender may use for what is not the render itself: evaluating the scene, building trees."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def blender_loads(threads: int) -> Iterator[None]:
    """While bpy is loaded in here, it sees ``threads`` processors (0: all), and makes as many threads for ever.

    ``scene.render.threads`` limits Cycles alone. ``blender -t`` limits the rest too, but the bpy package takes no
    arguments, and the task scheduler that it uses (oneTBB) counts the processors that the process may run on, once.
    Without this the idle threads of a slave of one thread spin on the core of its neighbour: `scripts/bench scale`
    shows by how much. Linux only; elsewhere, and in a Blender that runs already, nothing is changed.
    """
    if threads <= 0 or "bpy" in sys.modules or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:threads])
    try:
        yield
    finally:
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread.name), before)
