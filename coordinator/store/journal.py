"""Batches of small blobs: durable after one sync of a journal, and single files in the background.

A file system syncs one file about as quickly as another, however small: ten thousand files of a kilobyte would take
ten thousand syncs. So a batch is first written whole to ``journal/``; its blobs are then files that nobody has to
wait for. A crash in between is repaired from the journal at the next start.
"""

import ctypes
import logging
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import NetrenderError, StorageError
from ..protocol import batches

log = logging.getLogger(__name__)


class Journal:
    """``journal/*.batch`` in a folder of blobs, one for each batch whose files may not be on the disk yet."""

    def __init__(self, root: Path, path: Callable[[str], Path]) -> None:
        self._root = root
        self._folder = root / "journal"
        self._path = path
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for unfinished in self._folder.glob("*.partial"):  # was never acknowledged
                unfinished.unlink()
            for batch in sorted(self._folder.glob("*.batch")):
                self._repair(batch)
        except OSError as error:
            raise self._storage(error) from error

    def store(self, batch: bytes) -> tuple[set[str], Path]:
        """Make the blobs durable; returns those that are new, and the journal to ``settle`` when there is time.

        Raises BlobMismatchError (nothing is stored then), BadRequestError and StorageError.
        """
        blobs = batches.verified(batch)
        try:
            entry = self._folder / f"{secrets.token_hex(8)}.batch"
            partial = entry.with_suffix(".partial")
            with partial.open("xb") as file:
                file.write(batch)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(entry)
            sync_folder(self._folder)
            return {sha256 for sha256, data in blobs if self._write(sha256, data)}, entry
        except OSError as error:
            raise self._storage(error) from error

    def settle(self, entries: Sequence[Path]) -> None:
        """Bring the files of these batches to the disk, and forget their journals. Raises OSError."""
        if sys.platform == "linux":
            _sync_all(self._root)
        else:
            for entry in entries:
                self._sync_files(entry)
        for entry in entries:
            entry.unlink()

    def _sync_files(self, entry: Path) -> None:
        folders = set()
        for sha256, _ in batches.unpack(entry.read_bytes()):
            path = self._path(sha256)
            try:
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
            except FileNotFoundError:  # dropped meanwhile, for lack of room
                continue
            folders.add(path.parent)
        for folder in folders:
            sync_folder(folder)

    def _write(self, sha256: str, data: bytes) -> bool:
        target = self._path(sha256)
        if target.exists():
            return False
        partial = self._folder / f"{sha256}.{secrets.token_hex(4)}.partial"
        _write_new(partial, data)
        try:
            partial.replace(target)
        except FileNotFoundError:  # the first of its folder
            target.parent.mkdir(exist_ok=True)
            partial.replace(target)
        return True

    def _repair(self, entry: Path) -> None:
        """After a crash: files of the batch may be missing, short or empty."""
        try:
            for sha256, data in batches.verified(entry.read_bytes()):
                path = self._path(sha256)
                if not path.exists() or path.read_bytes() != data:
                    path.unlink(missing_ok=True)
                    self._write(sha256, data)
        except NetrenderError as error:
            log.error("journal %s is damaged; its blobs have to be sent again: %s", entry, error.message)
            entry.unlink()
        else:
            self.settle([entry])

    def _storage(self, error: OSError) -> StorageError:
        return StorageError(f"blobs in {self._root}: {error.strerror or error}; make room, or name another --data")


def _write_new(path: Path, data: bytes) -> None:
    """As ``Path.write_bytes``, which for a kilobyte takes a third longer."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)


def _sync_all(folder: Path) -> None:
    """All that was written to the folder's file system, by syncfs(2): a hundred files cost hardly more than one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a rename durable. Windows has no such call, and does not need it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
