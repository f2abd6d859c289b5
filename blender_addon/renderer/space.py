"""Whether a folder takes what is to be written: Blender says that it has written a file though the disk was full."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from typing import BinaryIO

LEAST = 2**20  # bytes: with less, whatever was written last is in doubt
_BLOCK = b"\0" * 2**16


def obstacle(folder: Path, size: int = LEAST) -> str:
    """Say why a file of so many bytes cannot be written to the folder; empty if it can.

    It is tried, because what a file system says that it has left knows of no quota, and of no disk that is broken.
    """
    probe = folder / f".netrender-{secrets.token_hex(4)}"
    try:
        with probe.open("xb") as file:
            _reserve(file, size)
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = f"the disk is full ({why})"
        return f"{why}, {folder}"
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return ""


def _reserve(file: BinaryIO, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    while size > 0:
        size -= file.write(_BLOCK[:size])
    file.flush()
    os.fsync(file.fileno())
