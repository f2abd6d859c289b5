"""The frames that were gathered, a folder for each job, and what goes when they take more room than the user allows.

A folder that any Blender on this computer gathers into, or writes from, is held: by a lock file outside it, which the
system lets go of however that Blender ends. No bpy here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from . import farm

logger = logging.getLogger(__name__)

limit = 0  # bytes, from the preferences, which only the main thread may read; 0 for none


def folder(cache: Path, job: str) -> Path:
    """Where a job's frames are. Raises BadRequestError for an id that is none: a coordinator might name any path."""
    return cache / "frames" / str(farm.limits.check_job_id(job))


class Hold:
    """While it is held, nobody removes the job's folder to make room."""

    def __init__(self, folder: Path) -> None:
        holds = _holds(folder.parents[1])
        self._lock = FileLock(holds / f"{folder.name}-{secrets.token_hex(4)}", thread_local=False)
        self._folder = folder
        try:
            holds.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            os.utime(self._folder)  # the time of its last use
        except OSError as error:  # a full disk: whoever writes a frame says so
            logger.warning("%s is not held: %s", self._folder, error)

    def release(self) -> None:
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                os.utime(self._folder)
            self._lock.release()
            with contextlib.suppress(OSError):
                Path(self._lock.lock_file).unlink(missing_ok=True)


def trim(cache: Path, most: int) -> list[str]:
    """Remove the jobs that were not used for the longest time, until the frames take no more than ``most`` bytes.

    Returns their ids. What is held stays, even if that is more.
    """
    jobs = sorted(_jobs(cache), key=lambda job: job.stat().st_mtime)
    sizes = {job: _size(job) for job in jobs}
    total, removed = sum(sizes.values()), []
    held = set(_held(cache)) if total > most else set()
    for job in jobs:
        if total <= most:
            break
        if job.name not in held:
            shutil.rmtree(job, ignore_errors=True)
            total -= sizes[job]
            removed.append(job.name)
    return removed


def _holds(cache: Path) -> Path:
    return cache / "held"


def _jobs(cache: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        for path in (cache / "frames").iterdir():
            # A link leads to what is not the cache's.
            if farm.limits.JOB_ID.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                yield path


def _size(job: Path) -> int:
    total = 0
    for path in job.iterdir():
        with contextlib.suppress(FileNotFoundError):  # half a frame, which became a whole one
            total += path.lstat().st_size
    return total


def _held(cache: Path) -> Iterator[str]:
    """Jobs that a Blender uses now; what others left behind, because they crashed, is removed."""
    with contextlib.suppress(FileNotFoundError):
        for path in _holds(cache).iterdir():
            if path.is_symlink() or not path.is_file():  # locking it would empty what a link leads to
                continue
            lock = FileLock(path, thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                yield path.name.rpartition("-")[0]
                continue
            lock.release()
            path.unlink(missing_ok=True)
