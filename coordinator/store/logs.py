"""The log of each frame: a text file that grows while the frame renders."""

from pathlib import Path

from ..constants import MAX_LOG
from ..errors import StorageError
from ..protocol.limits import check_job_id


class Logs:
    """``<job>/<frame>.log``; every attempt begins with a line that says who made it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._last: dict[Path, int] = {}  # the lease whose lines came last

    def path(self, job: str, frame: int) -> Path:
        """The file of a frame's log. Raises BadRequestError for a job whose id is none."""
        return self._root / check_job_id(job) / f"{frame:d}.log"

    def append(self, job: str, frame: int, lease: int, slave: str, text: bytes) -> int:
        """Add to the frame's log; return its size in bytes. What is over the limit is dropped."""
        path = self.path(job, frame)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                if self._last.get(path) != lease:
                    self._last[path] = lease
                    file.write(f"--- {slave}, lease {lease}\n".encode())
                room = MAX_LOG - file.tell()
                file.write(text[: max(room, 0)])
                return file.tell()
        except OSError as error:
            raise StorageError(f"log {path}: {error.strerror}; make room at {self._root}") from error

    def restore(self, job: str, frame: int, text: bytes) -> None:
        """Take the log of a frame that comes back from an archive: whole or not at all, in place of another."""
        path = self.path(job, frame)
        partial = path.with_suffix(".partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(text[:MAX_LOG])
            partial.replace(path)
        except OSError as error:
            raise StorageError(f"log {path}: {error.strerror}; make room at {self._root}") from error

    def forget(self, job: str, frame: int) -> None:
        """The frame is over: its log stays, its place in memory goes."""
        self._last.pop(self.path(job, frame), None)
