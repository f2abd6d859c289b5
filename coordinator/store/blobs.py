"""Files named by the SHA-256 of their bytes: streamed in, verified while they arrive, resumable, kept once."""

import asyncio
import errno
import hashlib
import logging
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ..constants import BATCH_BLOBS, SETTLE_DELAY, TRANSFER_BLOCK
from ..errors import BlobMismatchError, NetrenderError, StorageError, WrongOffsetError
from ..protocol import batches
from ..protocol.limits import check_sha256
from . import shelf
from .journal import Journal, sync_folder

log = logging.getLogger(__name__)

_TEMPORARY = "upload-"


class Blobs:
    """A folder of blobs: ``ab/abcdef...`` whole, ``partial/abcdef...`` while they arrive."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._partial = root / "partial"
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        try:
            self._partial.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"folder {root}: {error.strerror}; choose another with --data") from error
        self._remove_temporary()
        self._journal = Journal(root, self.path)
        self._small: list[tuple[bytes, asyncio.Future[None]]] = []  # packed, and who waits for them
        self._gathering: asyncio.Task[None] | None = None
        self._unsettled: list[Path] = []  # journals whose files may not be on the disk yet
        self._settling: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def path(self, sha256: str) -> Path:
        """Where the blob is, or would be. Raises BadRequestError for a name that is no SHA-256: it might be a path."""
        return self._root / check_sha256(sha256)[:2] / sha256

    def _part(self, sha256: str) -> Path:
        """Where the blob is while it arrives. Raises as ``path`` does."""
        return self._partial / check_sha256(sha256)

    def temporary(self) -> Path:
        """A new file beside the blobs, for an upload that is none; the next start removes it if nobody did.

        Raises OSError.
        """
        descriptor, path = tempfile.mkstemp(dir=self._partial, prefix=_TEMPORARY, suffix=".partial")
        os.close(descriptor)
        return Path(path)

    def _remove_temporary(self) -> None:
        for path in self._partial.glob(f"{_TEMPORARY}*.partial"):
            try:
                path.unlink()
            except OSError as error:
                log.warning("%s, which an earlier run left, stays: %s", path, error)

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def size(self, sha256: str) -> int | None:
        """Bytes of a whole blob, or None."""
        with suppress(FileNotFoundError):
            return self.path(sha256).stat().st_size
        return None

    def arrived(self, sha256: str) -> int:
        """Bytes stored so far of a blob that is not whole."""
        with suppress(FileNotFoundError):
            return self._part(sha256).stat().st_size
        return 0

    def discard(self, sha256: str) -> None:
        self.path(sha256).unlink(missing_ok=True)

    async def receive(self, sha256: str, body: AsyncIterator[bytes], offset: int = 0) -> bool:
        """Store a blob from ``offset`` on; 0 starts over. True if it is new. What arrives before a cut is kept.

        Raises WrongOffsetError unless ``offset`` is where the stored part ends, BlobMismatchError if the whole has
        another SHA-256 (it is dropped), StorageError if the disk cannot take it.
        """
        lock = self._locks[sha256]
        try:
            async with lock:  # two clients may send the same file at once; the second finds it there
                if self.has(sha256):
                    async for _ in body:  # answering before the body is read would cut the sender off
                        pass
                    return False
                if offset and offset != (have := self.arrived(sha256)):
                    raise WrongOffsetError(f"blob {sha256}: {have} bytes are stored, not {offset}; go on from there")
                await self._receive(sha256, body, offset)
                return True
        finally:
            if not lock.locked():
                self._locks.pop(sha256, None)

    def used(self, names: Iterable[str]) -> None:
        """These are wanted by somebody: they are the last to be dropped."""
        for sha256 in names:
            shelf.used(self.path(sha256))

    async def trim(self, limit: int, needed: Collection[str]) -> None:
        """Drop what was used longest ago until the folder is within its limit; never what is needed or arriving."""
        busy = {*needed, *self._locks}
        try:
            size = await asyncio.to_thread(shelf.trim, self._root, limit, _Kept(busy))
        except OSError as error:
            log.warning("%s cannot be tidied: %s", self._root, error)
            return
        if size > limit:
            log.warning(
                "%s holds %d bytes, over its limit of %d: jobs that are not over need them", self._root, size, limit
            )

    async def receive_batch(self, batch: bytes) -> set[str]:
        """Store small blobs, all or none; returns those that are new.

        Raises BadRequestError, BlobMismatchError and StorageError.
        """
        new, entry = await asyncio.to_thread(self._journal.store, batch)
        self._unsettled.append(entry)
        if self._settling is None:
            self._settling = asyncio.create_task(self._settle(), name="settle batches")
        return new

    async def close(self) -> None:
        """Finish what is under way, without waiting for more to come."""
        self._closing.set()
        if self._gathering is not None:
            await self._gathering
        if self._settling is not None:
            await self._settling

    async def receive_small(self, sha256: str, data: bytes) -> None:
        """Store one small blob, together with all others that come while the disk is busy: one sync is for all.

        Raises BlobMismatchError and StorageError.
        """
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise BlobMismatchError(f"blob {sha256}: the bytes that came have SHA-256 {found}; did the file change?")
        stored = asyncio.get_running_loop().create_future()
        self._small.append((batches.pack(sha256, data), stored))
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._store_small(), name="store small blobs")
        await stored

    async def _store_small(self) -> None:
        try:
            while self._small:
                some, self._small = self._small[:BATCH_BLOBS], self._small[BATCH_BLOBS:]
                try:
                    await self.receive_batch(b"".join(packed for packed, _ in some))
                except NetrenderError as error:
                    for _, stored in some:
                        if not stored.done():
                            stored.set_exception(error)
                else:
                    for _, stored in some:
                        if not stored.done():
                            stored.set_result(None)
        finally:
            self._gathering = None

    async def _settle(self) -> None:
        """What nobody waits for: one thread is enough, and all that came meanwhile goes together."""
        try:
            while entries := self._unsettled:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SETTLE_DELAY):
                        await self._closing.wait()
                self._unsettled = []
                try:
                    await asyncio.to_thread(self._journal.settle, entries)
                except OSError as error:
                    log.warning("%d journals in %s stay until the next start: %s", len(entries), self._root, error)
        finally:
            self._settling = None

    async def _receive(self, sha256: str, body: AsyncIterator[bytes], offset: int) -> None:
        partial = self._part(sha256)
        try:
            digest = await asyncio.to_thread(_hash_file, partial) if offset else hashlib.sha256()
            with partial.open("ab" if offset else "wb") as file:
                async for block in _gathered(body):
                    await asyncio.to_thread(_append, file, digest, block)
                if digest.hexdigest() == sha256:
                    await asyncio.to_thread(_sync, file)
            if digest.hexdigest() != sha256:
                partial.unlink()
                raise BlobMismatchError(
                    f"blob {sha256}: the bytes that came have SHA-256 {digest.hexdigest()}; did the file change?"
                )
            target = self.path(sha256)
            target.parent.mkdir(exist_ok=True)
            partial.replace(target)
            await asyncio.to_thread(sync_folder, target.parent)
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            if error.errno in (errno.ENOSPC, errno.EDQUOT):  # what has arrived would keep others from being written
                partial.unlink(missing_ok=True)
            free = shutil.disk_usage(self._root).free
            raise StorageError(
                f"blob {sha256}: {error.strerror}; {free / 1e6:.0f} MB are free at {self._root}: make room, send again"
            ) from error


class _Kept(set[str]):
    """Names that stay; those of the journal too, which goes by itself."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or str(name).endswith((".batch", ".partial"))


async def _gathered(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Blocks large enough that going to a thread for each costs nothing; what is left when the body breaks too."""
    blocks, size = [], 0
    try:
        async for block in body:
            blocks.append(block)
            size += len(block)
            if size >= 4 * TRANSFER_BLOCK:
                yield b"".join(blocks)
                blocks, size = [], 0
    except ConnectionError:
        if blocks:
            yield b"".join(blocks)
        raise
    if blocks:
        yield b"".join(blocks)


def _append(file: BinaryIO, digest: "hashlib._Hash", block: bytes) -> None:
    file.write(block)
    digest.update(block)


def _hash_file(path: Path) -> "hashlib._Hash":
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(4 * TRANSFER_BLOCK):
            digest.update(block)
    return digest


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
