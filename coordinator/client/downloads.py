"""Results to files: streamed, verified, and under their name only when whole."""

import contextlib
import errno
import hashlib
import logging
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import requests

from .. import errors
from ..constants import TRANSFER_ATTEMPTS, TRANSFER_BLOCK
from .connection import LOST, Connection
from .uploads import backoff

logger = logging.getLogger(__name__)


def result(
    connection: Connection, job: str, frame: int, target: Path, progress: Callable[[int], None] | None = None
) -> str | None:
    """Download a frame; a cut connection or wrong bytes are tried again, TRANSFER_ATTEMPTS times in all."""
    check_replaceable(target)
    failures = 0
    while True:
        try:
            return _once(connection, job, frame, target, progress)
        except (errors.UnreachableError, errors.BlobMismatchError) as error:
            failures += 1
            if failures >= TRANSFER_ATTEMPTS or connection.closed.is_set():
                raise
            logger.info("job %s frame %d: download broke: %s", job, frame, error.message)
            connection.closed.wait(backoff(failures))


def _once(
    connection: Connection, job: str, frame: int, target: Path, progress: Callable[[int], None] | None
) -> str | None:
    path = f"/api/jobs/{job}/frames/{frame}/result"
    with connection.request("GET", path, stream=True, headers={"Accept-Encoding": "identity"}) as response:
        if response.status_code == 204:
            return None
        expected = response.headers.get("ETag", "").removeprefix("W/").strip('"')
        # Beside the target, so that the last step is a rename inside one file system.
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            with temporary.open("xb") as file:
                found = _stream(connection, response, file, progress)
            if found != expected:
                raise errors.BlobMismatchError(
                    f"frame {frame} of job {job} arrived with other bytes than the coordinator announced"
                )
            temporary.replace(target)
        except OSError as error:
            raise storage_error(target.parent, error) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return found


def archive(connection: Connection, job: str, target: Path) -> int:
    """Download a job's archive, whole or not at all; returns its bytes."""
    check_replaceable(target)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    with connection.request("GET", f"/api/jobs/{job}/archive", stream=True) as response:
        try:
            with temporary.open("xb") as file:
                _stream(connection, response, file, None)
                size = file.tell()
            if size != connection.size(response, "Content-Length"):
                raise errors.UnreachableError(f"the archive of job {job} broke off at byte {size}; ask for it again")
            temporary.replace(target)
        except OSError as error:
            raise storage_error(target.parent, error, by_option=False) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return size


def _stream(
    connection: Connection, response: requests.Response, file: BinaryIO, progress: Callable[[int], None] | None
) -> str:
    digest, done = hashlib.sha256(), 0
    blocks = response.iter_content(TRANSFER_BLOCK)
    while True:
        try:  # around the network alone: a full disk is an OSError too
            block = next(blocks, b"")
        except LOST as error:
            raise connection.unreachable(error) from error
        if not block:
            return digest.hexdigest()
        if connection.closed.is_set():
            raise errors.UnreachableError("the download was interrupted")
        file.write(block)
        digest.update(block)
        done += len(block)
        if progress is not None:
            progress(done)


def storage_error(folder: Path, error: OSError, *, by_option: bool = True) -> errors.StorageError:
    """What a failed write means to the user, who names another folder ``by_option`` or as an argument."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        then = "or choose another folder with --output" if by_option else "or choose another folder"
        return errors.StorageError(f"no space left in {folder}: make room, {then}")
    then = "choose another with --output" if by_option else "choose another"
    return errors.StorageError(f"cannot write to {folder} ({error.strerror or error}): {then}")


def check_replaceable(target: Path) -> None:
    """Raise StorageError if something is there that is no file: a rename would put a file in a device's place.

    A link is none either, whatever it leads to: /dev/stdout is one.
    """
    try:
        mode = target.lstat().st_mode
    except OSError:
        return  # nothing is there; or the first write tells
    if stat.S_ISREG(mode):
        return
    kind = "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "a device or a pipe"
    raise errors.StorageError(
        f"{target} is {kind} and not a file, and is left as it is: choose another name, or move it"
    )


def check_writable(folder: Path) -> None:
    """Make the folder, and write a file into it: permissions alone do not tell. Raises StorageError."""
    probe = folder / f".netrender-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"netrender")
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
        raise storage_error(folder, error) from error
