"""Which frames go when they take more room than the user allows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blender_addon import frame_cache

from .blenders import ROOT

FRAME = 1000  # bytes


def gathered(cache: Path, job: str, used: float, frames: int = 2) -> Path:
    folder = frame_cache.folder(cache, job)
    folder.mkdir(parents=True)
    for frame in range(frames):
        (folder / f"{frame:04}.exr").write_bytes(bytes(FRAME))
    os.utime(folder, (used, used))
    return folder


def left(cache: Path) -> set[str]:
    return {path.name for path in (cache / "frames").iterdir()}


def test_there_may_be_no_cache_yet(tmp_path: Path) -> None:
    assert frame_cache.trim(tmp_path / "none", 0) == []


@pytest.mark.parametrize(
    ("most", "removed"),
    [(6 * FRAME, []), (6 * FRAME - 1, ["old"]), (4 * FRAME, ["old"]), (FRAME, ["old", "middle", "new"])],
)
def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, most: int, removed: list[str]) -> None:
    for job, used in (("middle", 2.0), ("new", 3.0), ("old", 1.0)):
        gathered(tmp_path, job, used)
    assert frame_cache.trim(tmp_path, most) == removed
    assert left(tmp_path) == {"old", "middle", "new"} - set(removed)


def test_to_be_held_is_to_be_used(tmp_path: Path) -> None:
    gathered(tmp_path, "old", 1.0)
    gathered(tmp_path, "new", 2.0)
    frame_cache.Hold(frame_cache.folder(tmp_path, "old")).release()
    assert frame_cache.trim(tmp_path, 2 * FRAME) == ["new"]


def test_what_is_held_stays(tmp_path: Path) -> None:
    old = gathered(tmp_path, "old", 1.0)
    gathered(tmp_path, "new", 2.0)
    first, second = frame_cache.Hold(old), frame_cache.Hold(old)
    first.release()
    assert frame_cache.trim(tmp_path, 0) == ["new"]
    second.release()
    assert frame_cache.trim(tmp_path, 0) == ["old"]


HOLD = """
import pathlib, sys
from blender_addon import frame_cache
hold = frame_cache.Hold(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_holds_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    job = gathered(tmp_path, "job", 1.0)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert frame_cache.trim(tmp_path, 0) == []
        other.kill()
        other.wait()
        assert frame_cache.trim(tmp_path, 0) == ["job"]
