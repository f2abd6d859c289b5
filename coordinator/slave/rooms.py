"""The folders that a renderer may use: there before it is started, as it confines itself before it knows its job.

Linux ties what a process may read to a folder, wherever that is moved to. So each renderer gets an empty folder for its
job's files, and that folder becomes the job's when the renderer opens it. docs/adr/0015-the-renderer-confines-itself.md
"""

import asyncio
import contextlib
import secrets
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from attrs import define

from ..constants import MANIFESTS
from ..errors import StorageError

TREE = "files"  # in a job's folder: its tree
COMPUTED = MANIFESTS  # jobs, the last ones, for which it is kept what Blender and drivers computed


@define(eq=False)
class Room:
    """What one renderer has for itself."""

    files: Path  # it reads them: what becomes the folder of the job that it opens, and then that
    results: Path  # where it renders to
    cache: Path  # what Blender and drivers compute and keep: shaders, for one
    job: str = ""
    apart: Path | None = None  # a temporary folder that has all of it, where the slave's own disk is full


class Rooms:
    """Makes them, and makes them those of a job.

    ``cache`` is the slave's folder of files, where the jobs' folders are; ``work`` is for what lives no longer than a
    renderer; ``readable`` are folders that every renderer may read; ``take_in`` makes a folder that of a job.
    """

    def __init__(
        self,
        cache: Path,
        work: Path,
        readable: Iterable[str],
        take_in: Callable[[str, Path], Awaitable[Path]],
        *,
        confine: bool,
    ) -> None:
        self._next, self._computed, self._work = cache / "next", cache / "computed", work
        self._readable = tuple(readable)
        self._take_in = take_in
        self._confine = confine

    async def make(self) -> Room:
        """Raises StorageError."""
        name = secrets.token_hex(8)
        room = Room(self._next / name, self._work / f"results-{name}", self._work / f"cache-{name}")

        def folders() -> None:
            for folder in (room.files, room.results, room.cache):
                folder.mkdir(parents=True)

        try:
            await asyncio.to_thread(folders)
        except OSError as error:
            raise StorageError(f"the slave's folder cannot be used: {error}; name another with --data") from error
        return room

    async def make_elsewhere(self) -> Room:
        """Make a room in the system's temporary folder, for a renderer that opens nothing. Raises StorageError."""
        try:
            apart = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="netrender-room-"))
            room = Room(apart / "files", apart / "results", apart / "cache", apart=apart)
            for folder in (room.files, room.results, room.cache):
                folder.mkdir()
        except OSError as error:
            raise StorageError(f"no folder for the renderer: {error}; free some space") from error
        return room

    def arguments(self, room: Room) -> list[str]:
        """For the renderer, which confines itself to the room."""
        if not self._confine:
            return []
        words = ["--confine", "--cache", str(room.cache), "--write", str(room.results)]
        words += ["--tree", str(room.files)]
        for folder in self._readable:
            words += ["--read", folder]
        return words

    async def give(self, room: Room, job: str) -> None:
        """Its renderer opens this job, which it may read from now on. Raises StorageError."""
        if room.job or not self._confine or sys.platform != "linux":  # elsewhere no renderer confines itself
            return
        room.files = await self._take_in(job, room.files)
        room.job = job
        with contextlib.suppress(OSError):  # what is not brought is computed again
            await asyncio.to_thread(_merge, self._computed / job, room.cache)

    async def remove(self, room: Room) -> None:
        """Its renderer has ended. What it computed is for the next one of the same job, and for no other."""

        def tidy() -> None:
            if room.job:
                with contextlib.suppress(OSError):
                    self._keep(room)
            else:
                shutil.rmtree(room.files, ignore_errors=True)
            for folder in (room.results, room.cache, room.apart):
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)

        await asyncio.to_thread(tidy)

    def _keep(self, room: Room) -> None:
        kept = self._computed / room.job
        shutil.rmtree(kept, ignore_errors=True)
        self._computed.mkdir(parents=True, exist_ok=True)
        room.cache.rename(kept)
        kept.touch()
        newest = sorted(self._computed.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for old in newest[COMPUTED:]:
            shutil.rmtree(old, ignore_errors=True)


def take_in(folder: Path, room: Path) -> None:
    """Make ``room`` the folder of a job, with what is in the one that the job had. Raises OSError.

    What a crash leaves half done is made again from blobs.
    """
    if (folder / TREE).is_dir():
        (folder / TREE).rename(room / TREE)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    room.rename(folder)


def _merge(kept: Path, cache: Path) -> None:
    """Move what was computed to where the renderer may have begun already to keep something. Raises OSError."""
    for entry in kept.iterdir() if kept.is_dir() else ():
        there = cache / entry.name
        if entry.is_dir() and there.is_dir():
            _merge(entry, there)
        elif not there.exists():
            entry.rename(there)
