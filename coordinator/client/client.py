"""Every call of docs/protocol.md, as a method that returns protocol types and raises our errors."""

import stat
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from .. import errors
from ..config import Address
from ..protocol import codec
from ..protocol.jobs import (
    Accepted,
    Explanation,
    FrameInfo,
    JobChanges,
    JobInfo,
    Manifest,
    SlaveInfo,
    Version,
)
from ..protocol.limits import JOB_ID
from ..protocol.messages import Event
from . import downloads, events, naming, uploads
from .connection import Connection
from .parcels import Upload

Command = Literal["cancel", "pause", "resume", "reset"]


class Client:
    """One coordinator. Every method may be called from any thread, and raises UnreachableError if it is not there."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._connection = Connection(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def closed(self) -> threading.Event:
        """Set by ``close``, which may come from another thread."""
        return self._connection.closed

    def close(self) -> None:
        """End what is running on other threads at its next block of bytes, and all connections."""
        self._connection.close()

    def version(self) -> Version:
        """What the coordinator is. Every other call asks this first, once: VersionMismatchError names both sides."""
        return self._connection.version()

    def announce(self, manifest: Manifest) -> Accepted:
        """Announce a job; the answer lists the blobs to upload."""
        body = codec.dumps(manifest).encode()
        headers = {"Content-Type": "application/json"}
        response = self._connection.request("POST", "/api/jobs", data=body, headers=headers)
        accepted: Accepted = self._connection.decode(response, Accepted)
        return accepted

    def upload(self, path: Path, sha256: str, progress: uploads.Progress = uploads.ignore) -> None:
        """Send one file, going on where an earlier upload broke off."""
        uploads.upload(self._connection, Upload(path=path, sha256=sha256), progress)

    def upload_all(
        self,
        blobs: Mapping[str, Path],
        progress: uploads.Progress = uploads.ignore,
        bases: Mapping[str, str] | None = None,
    ) -> None:
        """Send several files, by SHA-256, a few at a time, in this order. The first error ends it.

        Of those that have one of ``bases`` (from the answer to the announcement) only the changes are sent.
        """
        bases = bases or {}
        wanted = [Upload(path=path, sha256=sha256, base=bases.get(sha256, "")) for sha256, path in blobs.items()]
        uploads.upload_all(self._connection, wanted, progress)

    def jobs(self) -> list[JobInfo]:
        """All jobs, newest first."""
        found: list[JobInfo] = self._connection.decode(self._connection.request("GET", "/api/jobs"), list[JobInfo])
        return found

    def job(self, job: str) -> JobInfo:
        """The job with this id, or whose id alone begins so."""
        if not JOB_ID.fullmatch(job):
            with self._named_here("'netrender jobs' lists those that are there"):
                return naming.find_job(self.jobs(), job)
        found: JobInfo = self._connection.decode(self._connection.request("GET", f"/api/jobs/{job}"), JobInfo)
        return found

    def slave(self, name: str) -> SlaveInfo:
        """The slave of this name or id, or whose id alone begins so; a connected one before one that is away."""
        with self._named_here("'netrender slaves' lists them"):
            return naming.find_slave(self.slaves(), name)

    def job_or_slave(self, text: str) -> JobInfo | SlaveInfo:
        """The job of this id, else the slave of this name or id, else what alone has an id that begins so."""
        with self._named_here("'netrender jobs' and 'netrender slaves' list them"):
            return naming.find_either(self.jobs(), self.slaves(), text)

    @contextmanager
    def _named_here(self, remedy: str) -> Iterator[None]:
        try:
            yield
        except errors.NotFoundError as error:
            raise errors.NotFoundError(f"{error.message} at {self.address.url}; {remedy}") from None

    def manifest(self, job: str) -> Manifest:
        """What the job was announced with."""
        response = self._connection.request("GET", f"/api/jobs/{job}/manifest")
        found: Manifest = self._connection.decode(response, Manifest)
        return found

    def frames(self, job: str) -> list[FrameInfo]:
        """The frames that were dispatched at least once."""
        response = self._connection.request("GET", f"/api/jobs/{job}/frames")
        found: list[FrameInfo] = self._connection.decode(response, list[FrameInfo])
        return found

    def command(self, job: str, command: Command) -> JobInfo:
        """Cancel, pause, resume or reset a job. Raises ConflictError if its state does not allow that."""
        found: JobInfo = self._connection.decode(
            self._connection.request("POST", f"/api/jobs/{job}/{command}"), JobInfo
        )
        return found

    def change(self, job: str, changes: JobChanges) -> JobInfo:
        """Change a job's priority, or how many slaves it may have."""
        body = codec.dumps(changes).encode()
        headers = {"Content-Type": "application/json"}
        response = self._connection.request("PATCH", f"/api/jobs/{job}", data=body, headers=headers)
        found: JobInfo = self._connection.decode(response, JobInfo)
        return found

    def why_job(self, job: str) -> Explanation:
        """Why the job has the slaves that it has."""
        response = self._connection.request("GET", f"/api/jobs/{job}/why")
        found: Explanation = self._connection.decode(response, Explanation)
        return found

    def why_slave(self, slave: str) -> Explanation:
        """Why the slave, by its id, renders what it renders, or is idle."""
        response = self._connection.request("GET", f"/api/slaves/{slave}/why")
        found: Explanation = self._connection.decode(response, Explanation)
        return found

    def heal(self, slave: str) -> SlaveInfo:
        """Forget the failures of a slave, by its id."""
        response = self._connection.request("POST", f"/api/slaves/{slave}/heal")
        found: SlaveInfo = self._connection.decode(response, SlaveInfo)
        return found

    def slaves(self) -> list[SlaveInfo]:
        """All slaves that the coordinator knows."""
        response = self._connection.request("GET", "/api/slaves")
        found: list[SlaveInfo] = self._connection.decode(response, list[SlaveInfo])
        return found

    def result(self, job: str, frame: int, target: Path, progress: Callable[[int], None] | None = None) -> str | None:
        """Download a frame to ``target``, whole or not at all; returns its SHA-256, or None if it is not done yet.

        Raises FrameFailedError if the frame was given up, StorageError if ``target`` cannot be written.
        """
        return downloads.result(self._connection, job, frame, target, progress)

    def archive(self, job: str, target: Path) -> int:
        """Download a job that is over as one file, whole or not at all; returns its bytes."""
        return downloads.archive(self._connection, job, target)

    def restore(self, path: Path) -> JobInfo:
        """Bring a job back from its archive. Raises UsageError if the file cannot be read."""
        try:
            with _opened(path) as file:
                headers = {"Content-Type": "application/x-tar"}
                response = self._connection.request("POST", "/api/archives", data=file, headers=headers)
        except errors.UnreachableError:
            self._connection.send("GET", "/api/status")  # raises again if nobody is there
            if not self._connection.problem:
                raise
            raise errors.StorageError(self._connection.problem) from None
        found: JobInfo = self._connection.decode(response, JobInfo)
        return found

    def log(self, job: str, frame: int, offset: int = 0) -> bytes:
        """A frame's log from this byte on; empty if there is no more yet."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        path = f"/api/jobs/{job}/frames/{frame}/log"
        response = self._connection.request("GET", path, headers=headers, expect={416})
        return b"" if response.status_code == 416 else response.content

    def events(self, job: str | None = None) -> Generator[Event | None, None, None]:
        """What happens, as it happens: connects now, then yields events, or None after a while of silence.

        The iterator ends with UnreachableError when the coordinator is gone, or when the client is closed.
        """
        return events.watch(self._connection, job)


def _opened(path: Path) -> BinaryIO:
    """Open a file that is to be sent; never a device or a pipe, which may have no end. Raises UsageError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise errors.UsageError(f"{path} is a folder or a device, and not a file; name the archive itself")
        return path.open("rb")
    except FileNotFoundError as error:
        raise errors.UsageError(f"{path} does not exist") from error
    except OSError as error:
        raise errors.UsageError(f"{path} cannot be read: {error.strerror or error}") from error
