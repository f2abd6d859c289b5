"""A slave of one thread leaves the other cores to its neighbours."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .renderers import MAIN, RendererProcess

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the bpy package cannot be limited here"),
]


def threads_after_a_frame(asked: int, blend: Path, folder: Path) -> int:
    command = [sys.executable, str(MAIN), "--threads", str(asked)]
    with RendererProcess(errors=folder / f"{asked}.log", command=command) as renderer:
        renderer.open(blend, threads=asked)
        assert renderer.render(1, folder / f"{asked}.exr")["type"] == "rendered"
        tasks = Path(f"/proc/{renderer.process.pid}/task")
        allowed = {frozenset(os.sched_getaffinity(int(task.name))) for task in tasks.iterdir()}
        assert allowed == {frozenset(os.sched_getaffinity(0))}, "it may run anywhere"
        return len(list(tasks.iterdir()))


def test_one_thread_is_one_thread(scene_file: Callable[[str], Path], tmp_path: Path) -> None:
    """Fewer than with all processors, by those that spin while they have nothing to do."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor: there is nothing to limit")
    blend = scene_file("heavy")
    assert threads_after_a_frame(1, blend, tmp_path) < threads_after_a_frame(2, blend, tmp_path)
