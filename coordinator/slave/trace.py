"""When the slave did what: one JSON line for every render, upload, fetch and open."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ..errors import StorageError


class Trace:
    """Appends spans to a file, each line whole and flushed; does nothing without a file.

    Wall-clock seconds, so that the traces of several processes can be laid over each other.
    """

    def __init__(self, path: Path | None) -> None:
        try:
            self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None
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
                self._file.write(json.dumps(fields) + "\n")
                self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
