"""Which frames go when they take more room than the user allows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blender_addon import farm, frame_cache

from .blenders import ROOT

FRAME = 1000  # bytes
OLD, MIDDLE, NEW = "0" * 16, "5" * 16, "a" * 16  # ids of jobs


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
    [(6 * FRAME, []), (6 * FRAME - 1, [OLD]), (4 * FRAME, [OLD]), (FRAME, [OLD, MIDDLE, NEW])],
)
def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, most: int, removed: list[str]) -> None:
    for job, used in ((MIDDLE, 2.0), (NEW, 3.0), (OLD, 1.0)):
        gathered(tmp_path, job, used)
    assert frame_cache.trim(tmp_path, most) == removed
    assert left(tmp_path) == {OLD, MIDDLE, NEW} - set(removed)


def test_to_be_held_is_to_be_used(tmp_path: Path) -> None:
    gathered(tmp_path, OLD, 1.0)
    gathered(tmp_path, NEW, 2.0)
    frame_cache.Hold(frame_cache.folder(tmp_path, OLD)).release()
    assert frame_cache.trim(tmp_path, 2 * FRAME) == [NEW]


def test_what_is_held_stays(tmp_path: Path) -> None:
    old = gathered(tmp_path, OLD, 1.0)
    gathered(tmp_path, NEW, 2.0)
    first, second = frame_cache.Hold(old), frame_cache.Hold(old)
    first.release()
    assert frame_cache.trim(tmp_path, 0) == [NEW]
    second.release()
    assert frame_cache.trim(tmp_path, 0) == [OLD]


HOLD = """
import pathlib, sys
from blender_addon import frame_cache
hold = frame_cache.Hold(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_holds_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    job = gathered(tmp_path, NEW, 1.0)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert frame_cache.trim(tmp_path, 0) == []
        other.kill()
        other.wait()
        assert frame_cache.trim(tmp_path, 0) == [NEW]


@pytest.mark.parametrize("job", ["../../outside", "/etc", "", "a" * 15, "A" * 16, "a" * 16 + "\n", "a/../" + "a" * 11])
def test_a_coordinator_names_no_folder_but_a_jobs(tmp_path: Path, job: str) -> None:
    with pytest.raises(farm.errors.BadRequestError, match="not 16 hexadecimal digits"):
        frame_cache.folder(tmp_path, job)


def test_what_a_link_leads_to_is_not_the_caches(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "letter").write_text("dear")
    cache = tmp_path / "cache"
    held = gathered(cache, OLD, 1.0)
    (cache / "frames" / NEW).symlink_to(outside)
    (held / "0009.exr").symlink_to(outside / "letter")
    (cache / "held").mkdir()
    (cache / "held" / f"{MIDDLE}-00000000").symlink_to(outside / "letter")
    (cache / "held" / "folder").mkdir()
    assert frame_cache.trim(cache, 0) == [OLD]
    assert (outside / "letter").read_text() == "dear"
