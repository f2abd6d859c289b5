"""The slave's files: blobs by their SHA-256, and what of each job's tree its frames need, as hard links to them."""

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import secrets
import shutil
import stat
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from .. import errors
from ..constants import (
    BATCH_BLOBS,
    BATCH_LEAST,
    BLOB_TRIES,
    MANIFESTS,
    SLAVE_ROOM,
    SMALL_BLOB,
    TRANSFER_BLOCK,
    TRANSFERS,
)
from ..pathmaps import PathMap
from ..protocol import batches
from ..protocol.jobs import File, Manifest
from ..protocol.limits import check_job_id, check_sha256
from ..protocol.paths import check_tree_path
from ..store import shelf
from . import rooms, space
from .api import Api
from .groups import unwrapped
from .trace import Trace
from .tree import Tree, resolve

logger = logging.getLogger(__name__)

# Blender opens the descriptions of Geometry Nodes' bakes for writing too, and reads nothing if it may not.
REWRITTEN = re.compile(r"(?:^|/)meta/[^/]+\.json$")
PARTIAL = ".netrender-part"  # the end of a file's name until it is whole


class Cache:
    """Fetches what a job needs, each blob once.

    The files of a tree share their inodes with the cache: nothing may write to them, so they are read-only. The few
    that Blender wants to be writable are copies.
    """

    def __init__(
        self,
        folder: Path,
        api: Api,
        trace: Trace,
        *,
        path_maps: tuple[PathMap, ...] = (),
        limit: int | None = None,
    ) -> None:
        self._limit = limit  # bytes of blobs
        self._needed: dict[str, Manifest] = {}  # of the jobs whose files have to stay
        self._blobs, self._partial, self._jobs = folder / "blobs", folder / "partial", folder / "jobs"
        self._api = api
        self._trace = trace
        self._path_maps = path_maps
        self._manifests: OrderedDict[str, Manifest] = OrderedDict()  # of the last jobs: each lease needs its job's
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # two jobs may need one blob
        self._transfers = asyncio.Semaphore(TRANSFERS)

    async def prepare(self, job: str, frames: Collection[int]) -> Tree:
        """Fetch what these frames of the job need, and lay it out in the job's tree.

        Waits while the coordinator is away. Raises NotFoundError (no such job or blob), BlobMismatchError,
        BadPathError, UnsuitableError (the disk is too small for them) and StorageError.
        """
        with self._trace.span("fetch", job):
            manifest = await self._manifest(job)
            folder = self._jobs / check_job_id(job) / rooms.TREE
            self._needed[job] = manifest
            files = await asyncio.to_thread(manifest.files_for, frames)
            await asyncio.to_thread(_remove_strange_folders, folder, files)
            lacking = await asyncio.to_thread(_lacking, folder, files)
            blobs = {file.sha256: file.size for file in lacking}
            await self._find_room(blobs)
            with unwrapped():
                await self._fetch_small(blobs)
                async with asyncio.TaskGroup() as group:
                    for sha256, size in blobs.items():
                        group.create_task(self.fetch(sha256, size), name=f"fetch {sha256[:8]}")
            try:
                async with self._locks[job]:  # two leases may need one file
                    await asyncio.to_thread(self._lay_out, folder, lacking)
            except OSError as error:
                raise _storage(error) from error
            await self._make_room()
            tree = await asyncio.to_thread(resolve, job, manifest, folder, self._path_maps)
        logger.info("job %s (%s): %d of %d files are here", job, manifest.name, len(files), len(manifest.files))
        return tree

    async def take_in(self, job: str, room: Path) -> Path:
        """Make ``room``, which a renderer may read, the job's folder, with the files that are there; where it is then.

        Raises StorageError.
        """
        try:
            async with self._locks[job]:  # nothing is laid out meanwhile
                await asyncio.to_thread(rooms.take_in, self._jobs / check_job_id(job), room)
        except OSError as error:
            raise _storage(error) from error
        return self._jobs / job

    async def _manifest(self, job: str) -> Manifest:
        if job not in self._manifests:
            self._manifests[job] = await self._api.retry(f"manifest of job {job}", lambda: self._api.manifest(job))
        self._manifests.move_to_end(job)
        while len(self._manifests) > MANIFESTS:
            self._manifests.popitem(last=False)
        return self._manifests[job]

    def keep_only(self, jobs: set[str]) -> None:
        """The files of other jobs may go when room is needed."""
        for job in self._needed.keys() - jobs:
            del self._needed[job]

    async def _make_room(self) -> None:
        """Bring the blobs within their limit: those used longest ago go, and trees that share their inodes."""
        if self._limit is None:
            return
        needed = {sha256 for manifest in self._needed.values() for sha256 in manifest.blobs}
        await asyncio.to_thread(self._trim, self._limit, needed, set(self._needed))

    def _trim(self, limit: int, needed: set[str], jobs: set[str]) -> None:
        for sha256 in needed:
            shelf.used(self._path(sha256))
        try:
            trees = list(self._jobs.iterdir()) if shelf.size(self._blobs) > limit else []
            for tree in trees:  # made again from blobs in no time, and a blob is only gone with its last link
                if tree.name.partition(".")[0] not in jobs:
                    shutil.rmtree(tree, ignore_errors=True)
            shelf.trim(self._blobs, limit, needed)
        except OSError as error:
            logger.warning("the cache cannot be tidied: %s", error)

    async def _find_room(self, blobs: Mapping[str, int]) -> None:
        """Drop what other jobs have left, if these do not fit on the disk. Raises if they do not fit even so."""
        lacking = await asyncio.to_thread(self._lacking_bytes, blobs)
        if not lacking or lacking <= await asyncio.to_thread(space.free, self._blobs):
            return
        await self.give_room(lacking)
        there = await asyncio.to_thread(space.free, self._blobs)
        if lacking <= there:
            return
        text = (
            f"the job's files need {lacking / 1e6:.2f} MB more, and {there / 1e6:.2f} MB are free on the slave's disk"
        )
        if there < SLAVE_ROOM:
            error = errors.StorageError(f"the disk is full: {text}; {space.REMEDY}")
            error.room = lacking
            raise error
        raise errors.UnsuitableError(f"{text}; {space.REMEDY}")

    def _lacking_bytes(self, blobs: Mapping[str, int]) -> int:
        total = 0
        for sha256, size in blobs.items():
            if _size(self._path(sha256)) != size:
                total += max(size - (_size(self._partial / sha256) or 0), 0)
        return total

    async def give_room(self, wanted: int) -> None:
        """Drop files that no lease needs, those used longest ago first, until so many bytes are free."""
        needed = {sha256 for manifest in self._needed.values() for sha256 in manifest.blobs}
        await asyncio.to_thread(self._drop_for, wanted, needed, set(self._needed))

    def _drop_for(self, wanted: int, needed: set[str], jobs: set[str]) -> None:
        try:
            for path in list(self._partial.glob("*")):  # of downloads that nobody goes on with
                if path.name.partition(".")[0] not in needed:
                    path.unlink(missing_ok=True)
            more = wanted - space.free(self._blobs)
            if more <= 0:
                return
            logger.warning("the disk is full: files of jobs that are not rendered here are dropped")
            self._trim(max(shelf.size(self._blobs) - more, 0), needed, jobs)
        except OSError as error:
            logger.warning("the cache cannot be tidied: %s", error)

    async def fetch(self, sha256: str, size: int) -> Path:
        """The blob's file, fetched if it is not here."""
        path = self._path(sha256)
        async with self._locks[sha256], self._transfers:
            await asyncio.to_thread(_remove_strange, stat.S_ISDIR, [path.parent])
            if await asyncio.to_thread(_size, path) == size:
                return path
            await asyncio.to_thread(_remove_strange, stat.S_ISREG, [path, self._partial / sha256])
            for _ in range(BLOB_TRIES):
                if await self._api.retry(f"blob {sha256[:8]}", lambda: self._download(sha256, size)):
                    return path
                logger.warning("blob %s arrived with wrong bytes; they were dropped", sha256[:8])
            raise errors.BlobMismatchError(
                f"blob {sha256} arrived {BLOB_TRIES} times with bytes that do not match its name; submit the job again"
            )

    async def _fetch_small(self, blobs: Mapping[str, int]) -> None:
        """Fetch small blobs in batches. What does not come so is fetched by itself after it, or fails by its name."""
        small = [sha256 for sha256, size in blobs.items() if size <= SMALL_BLOB]
        await asyncio.to_thread(_remove_strange, stat.S_ISDIR, {self._path(sha256).parent for sha256 in small})
        wanted = await asyncio.to_thread(lambda: [s for s in small if _size(self._path(s)) != blobs[s]])
        if len(wanted) < BATCH_LEAST:
            return
        names = [wanted[at : at + BATCH_BLOBS] for at in range(0, len(wanted), BATCH_BLOBS)]
        async with asyncio.TaskGroup() as group:
            for batch in names:
                group.create_task(self._fetch_batch(batch), name=f"fetch {len(batch)} small blobs")

    async def _fetch_batch(self, names: list[str]) -> None:
        async with self._transfers:
            try:
                batch = await self._api.retry(f"{len(names)} small blobs", lambda: self._api.batch(names))
                asked = set(names)
                blobs = [(sha256, data) for sha256, data in batches.verified(batch) if sha256 in asked]
                await asyncio.to_thread(self._keep, blobs)
            except (errors.NotFoundError, errors.BadRequestError, errors.BlobMismatchError) as error:
                logger.info("%d small blobs do not come together: %s", len(names), error.message)
            except OSError as error:
                raise _storage(error) from error

    def _keep(self, blobs: list[tuple[str, bytes]]) -> None:
        self._partial.mkdir(parents=True, exist_ok=True)
        _remove_strange(stat.S_ISREG, [self._path(sha256) for sha256, _ in blobs])
        for sha256, data in blobs:
            path, partial = self._path(sha256), self._partial / f"{sha256}.{secrets.token_hex(4)}"
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(data)
            if os.name == "posix":  # as in _download
                partial.chmod(0o444)
            partial.replace(path)

    async def _download(self, sha256: str, size: int) -> bool:
        """Go on where the last try ended; False if the bytes are not the blob's."""
        partial = self._partial / sha256
        try:
            for folder in (self._partial, self._path(sha256).parent):
                folder.mkdir(parents=True, exist_ok=True)
            with partial.open("ab+") as file:
                digest = await asyncio.to_thread(_digest_of, file)
                async with self._api.blob(sha256, file.tell()) as response:
                    if response.status == 200 and file.tell():  # the coordinator does not do ranges
                        file.truncate(0)
                        digest = hashlib.sha256()
                    if response.status != 416:  # what is here may be all of it
                        async for block in response.content.iter_chunked(TRANSFER_BLOCK):
                            await asyncio.to_thread(_take, block, file, digest)
                            if file.tell() > size:
                                break
            if digest.hexdigest() != sha256:
                partial.unlink()
                return False
            if os.name == "posix":  # Windows can neither replace nor remove a file that is read-only
                partial.chmod(0o444)
            partial.replace(self._path(sha256))
        except OSError as error:
            raise _storage(error) from error
        return True

    def _path(self, sha256: str) -> Path:
        return self._blobs / check_sha256(sha256)[:2] / sha256

    def _lay_out(self, folder: Path, files: Iterable[File]) -> None:
        """Each file is whole or not there. Frames may render meanwhile, so nothing that is there is touched."""
        for file in _lacking(folder, files):
            target = folder / check_tree_path(file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(self._path(file.sha256), target, writable=REWRITTEN.search(file.path) is not None)


def _link(source: Path, target: Path, *, writable: bool) -> None:
    partial = target.with_name(target.name + PARTIAL)
    _remove_strange(stat.S_ISREG, [target, partial])
    partial.unlink(missing_ok=True)
    try:
        try:
            if writable:
                shutil.copyfile(source, partial)
            else:
                os.link(source, partial)
        except OSError:  # a file system without hard links, or too many of them; a full disk fails the copy too
            shutil.copyfile(source, partial)
        partial.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    partial.unlink(missing_ok=True)  # a rename to another name of the same file does nothing


def _lacking(folder: Path, files: Iterable[File]) -> list[File]:
    """Those that are not there; after a power cut a file may be short."""
    return [file for file in files if _size(folder / check_tree_path(file.path)) != file.size]


def _size(path: Path) -> int | None:
    """Bytes of a file; None for what is none, such as a link, which may lead out of the cache."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _remove_strange_folders(folder: Path, files: Iterable[File]) -> None:
    """Make place for the folders of a job's tree, where links or files are."""
    inside = {parent for file in files for parent in PurePosixPath(file.path).parents}
    deepest_last = [folder / parent for parent in sorted(inside, key=lambda path: len(path.parts))]
    _remove_strange(stat.S_ISDIR, [folder.parent, *deepest_last])


def _remove_strange(is_right: Callable[[int], bool], paths: Iterable[Path]) -> None:
    """Remove what this cache never makes, such as a link: what it leads to is neither read nor written, and stays.

    Raises StorageError.
    """
    for path in paths:
        try:
            mode = path.lstat().st_mode
            if is_right(mode):
                continue
            logger.warning("cache: %s is no %s; it is removed", path, "folder" if is_right is stat.S_ISDIR else "file")
            if stat.S_ISDIR(mode):
                shutil.rmtree(path)
            else:
                path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _storage(error) from error


def _digest_of(file: BinaryIO) -> "hashlib._Hash":
    """Of what the file holds; leaves the file at its end."""
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(TRANSFER_BLOCK):
        digest.update(block)
    return digest


def _take(block: bytes, file: BinaryIO, digest: "hashlib._Hash") -> None:
    file.write(block)
    digest.update(block)


def _storage(error: OSError) -> errors.NetrenderError:
    return errors.cannot_write("the slave cannot keep the job's files", error, space.REMEDY)
