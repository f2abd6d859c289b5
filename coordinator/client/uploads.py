"""Files to blobs: resumed where they broke off, several at a time."""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import BinaryIO

from .. import compression, errors
from ..constants import RECONNECT_FIRST, RECONNECT_MOST, TRANSFER_ATTEMPTS, TRANSFER_BLOCK, TRANSFERS
from ..protocol import deltas
from .changes import Changes
from .connection import Connection
from .parcels import Count, Upload, parcels, send_batch, size_of, unreadable

logger = logging.getLogger(__name__)

Progress = Callable[[int], None]  # bytes of all files that the coordinator has so far


def ignore(done: int) -> None:
    """Nobody wants to know."""


class _Body:
    """Ranges of a file after a head, in blocks; its length tells requests not to use chunks."""

    def __init__(
        self, path: Path, ranges: Sequence[tuple[int, int]], closed: threading.Event, sent: Progress, head: bytes = b""
    ) -> None:
        self._path, self._ranges, self._closed, self._sent, self._head = path, ranges, closed, sent, head

    def __len__(self) -> int:
        return len(self._head) + sum(end - start for start, end in self._ranges)

    def __iter__(self) -> Iterator[bytes]:
        if self._head:
            yield self._head
        with self._open() as file:
            for at, end in self._ranges:
                file.seek(at)
                while at < end:
                    block = self._read(file, min(TRANSFER_BLOCK, end - at))
                    if not block:  # or the coordinator would wait for the rest
                        raise errors.StorageError(f"{self._path} became shorter while it was sent; submit it again")
                    if self._closed.is_set():
                        raise errors.UnreachableError(f"the upload of {self._path} was interrupted")
                    yield block
                    at += len(block)
                    self._sent(at)

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:  # it was there a moment ago
            raise unreadable(self._path, error) from error

    def _read(self, file: BinaryIO, size: int) -> bytes:
        try:
            return file.read(size)
        except OSError as error:
            raise unreadable(self._path, error) from error


def upload(connection: Connection, blob: Upload, progress: Progress = ignore) -> None:
    """Send one file. A cut connection is tried again, from where the coordinator says that it goes on.

    Raises UnreachableError after TRANSFER_ATTEMPTS tries that moved nothing, BlobMismatchError if the file changed.
    """
    ask = size_of(blob.path) > TRANSFER_BLOCK  # asking first would cost a small file as much as sending it
    best, failures = 0, 0
    changes = Changes.of(connection, blob) if blob.base and ask else None
    while True:
        try:
            offset = stored(connection, blob.sha256) if ask else 0
            if offset is not None:
                if offset > best:
                    best, failures = offset, 0
                _send(connection, blob, offset, changes, progress)
            progress(size_of(blob.path))
            return
        except (errors.NotFoundError, errors.BlobMismatchError):
            if changes is None:
                raise
            changes = None  # the base is gone, or not what it was said to be
        except (errors.UnreachableError, errors.WrongOffsetError) as error:
            ask, failures = True, failures + 1
            if failures >= TRANSFER_ATTEMPTS or connection.closed.is_set():
                raise
            logger.info("upload of %s broke after byte %d: %s", blob.path, best, error.message)
            connection.closed.wait(backoff(failures))


def backoff(failures: int) -> float:
    """Seconds to wait, with full jitter: clients that lost the same coordinator must not come back all at once."""
    return random.uniform(0, min(RECONNECT_MOST, RECONNECT_FIRST * 2**failures))


def stored(connection: Connection, sha256: str) -> int | None:
    """How many bytes of the blob the coordinator has; None if it has all and verified them."""
    response = connection.request("HEAD", f"/api/blobs/{sha256}", expect={404})
    if connection.problem:  # an upload that is refused early may look like a cut connection
        raise errors.StorageError(connection.problem)
    if response.status_code == 404:
        return 0
    if response.headers.get("Upload-Complete") == "?1":
        return None
    return connection.size(response, "Upload-Offset", "0")


def _send(connection: Connection, blob: Upload, offset: int, changes: Changes | None, progress: Progress) -> None:
    """The rest of the blob: whole, or what has changed of it."""
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/octet-stream"}
    method, head, ranges = "PUT", b"", [(offset, max(offset, size_of(blob.path)))]
    if changes is not None:
        method, head, ranges = "PATCH", *changes.since(offset)
        headers["Content-Type"] = deltas.MEDIA_TYPE
    body: Iterable[bytes] = _Body(blob.path, ranges, connection.closed, progress, head)
    if connection.far and compression.worth_it(blob.path):
        body, headers["Content-Encoding"] = compression.compressed(body), "zstd"
    try:
        connection.request(method, f"/api/blobs/{blob.sha256}", data=body, headers=headers)
    except errors.BlobMismatchError as error:
        raise errors.BlobMismatchError(f"{blob.path} changed while it was submitted; submit it again") from error


def _sent_together(connection: Connection, parcel: list[Upload], count: Count) -> bool:
    """Send a batch. False if one of its files has changed: sent one by one, the error names it."""
    failures = 0
    while True:
        try:
            send_batch(connection, parcel, count)
            return True
        except errors.BlobMismatchError:
            return False
        except errors.UnreachableError as error:
            failures += 1
            if failures >= TRANSFER_ATTEMPTS or connection.closed.is_set():
                raise
            logger.info("a batch of %d files broke: %s", len(parcel), error.message)
            connection.closed.wait(backoff(failures))


def upload_all(connection: Connection, blobs: Iterable[Upload], progress: Progress = ignore) -> None:
    """Send several files, TRANSFERS at a time, small ones in batches; in their order.

    The first error ends it, once those on their way have ended.
    """
    lock, counted, total = threading.Lock(), dict[str, int](), 0
    failed = threading.Event()

    def count(blob: Upload, done: int) -> None:
        nonlocal total
        with lock:
            total += done - counted.get(blob.sha256, 0)
            counted[blob.sha256] = done
            progress(total)

    def one(parcel: list[Upload]) -> None:
        if failed.is_set():
            return
        if len(parcel) > 1 and _sent_together(connection, parcel, count):
            return
        for blob in parcel:
            upload(connection, blob, partial(count, blob))

    pool = ThreadPoolExecutor(TRANSFERS, thread_name_prefix="upload")
    try:
        futures = [pool.submit(one, parcel) for parcel in parcels(blobs)]
        ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in ended:
            future.result()
    except KeyboardInterrupt:
        connection.closed.set()  # or the threads would go on to the end of their files
        raise
    finally:
        failed.set()
        pool.shutdown(cancel_futures=True)
