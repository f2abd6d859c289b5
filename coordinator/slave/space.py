"""Whether the slave's disk takes what is to be written."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

from ..constants import SLAVE_ROOM, SLAVE_ROOM_SHARE, TRANSFER_BLOCK
from ..errors import NetrenderError, cannot_write

FIRST = 2**20  # bytes: a disk that takes as much is not full yet
FAILED = "the slave cannot write to its disk"
REMEDY = "free some space, or name another folder with --data"


def least(folder: Path) -> int:
    """How many bytes have to be free for a disk that is not full."""
    try:
        return min(SLAVE_ROOM, int(shutil.disk_usage(folder).total * SLAVE_ROOM_SHARE))
    except OSError:  # it is not there
        return SLAVE_ROOM


def free(folder: Path) -> int:
    """Bytes that the system says are free. Raises OSError."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def obstacle(folder: Path, size: int) -> NetrenderError | None:
    """Say why a file of so many bytes cannot be written to the folder, which is made; None if it can.

    It is tried, because what a file system says that it has left knows of no quota, and of no disk that is broken.
    """
    probe = folder / f".probe-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with probe.open("xb") as file:
            _reserve(file, size)
    except OSError as error:
        return cannot_write(FAILED, error, REMEDY)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None


def _reserve(file: BinaryIO, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    block = bytes(TRANSFER_BLOCK)
    while size > 0:
        size -= file.write(block[:size])
    file.flush()
    os.fsync(file.fileno())
