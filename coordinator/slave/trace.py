"""When the slave did what: one JSON line for every render, upload, fetch and open."""

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import StorageError

logger = logging.getLogger(__name__)


class Trace:
    """Appends spans to a file, each line whole or not there; does nothing without a file.

    Wall-clock seconds, so that the traces of several processes can be laid over each other.
    """

    def __init__(self, path: Path | None) -> None:
        try:
            self._file: BinaryIO | None = path.open("ab", buffering=0) if path else None
        except OSError as error:
            raise StorageError(f"--trace {path}: {error.strerror}") from error

    @contextmanager
    def span(self, span: str, job: str, frame: int | None = None) -> Iterator[None]:
        """Note what happens inside, and with which error it ends, if it does."""
        start, error = time.time(), ""
        try:
            yield
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            if self._file is not None:
                fields = {"span": span, "job": job, "frame": frame, "start": start, "end": time.time(), "error": error}
                _append(self._file, json.dumps(fields).encode() + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _append(file: BinaryIO, line: bytes) -> None:
    """A line that the disk does not take is left out: what is traced matters more than its trace."""
    written, why = 0, "the disk is full"
    try:
        written = file.write(line)
    except OSError as error:
        why = error.strerror or str(error)
    if written < len(line):
        logger.warning("the trace lacks a line: %s", why)
        with contextlib.suppress(OSError):  # a pipe, say, has no size
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size - written)
