"""Results on their way to the coordinator: on disk until it has them, so that a restart of either side loses none."""

import asyncio
import contextlib
import hashlib
import logging
import stat
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field, frozen

from .. import errors
from ..constants import BLOB_TRIES, UPLOADS
from ..protocol import codec, limits
from ..protocol.paths import check_folder
from .api import Api
from .exports import Exports
from .trace import Trace

logger = logging.getLogger(__name__)

MAX_ABOUT = 64 * 2**10  # bytes of a JSON file; the longest folder is far shorter


@frozen(kw_only=True)
class Result:
    """What is known of a rendered frame; the JSON file beside it."""

    job: str = field(validator=limits.A_JOB)
    frame: int = field(validator=limits.A_FRAME)
    lease: int = field(validator=limits.A_LEASE)
    seconds: float = field(validator=limits.A_RENDER_TIME)
    sha256: str = field(validator=limits.A_SHA256)
    size: int = field(validator=limits.A_SIZE)  # bytes
    results: str = ""  # the folder to which it is written too; empty for none

    def __attrs_post_init__(self) -> None:
        if self.results:
            check_folder(self.results)

    @property
    def name(self) -> str:
        """Of its two files, without an ending."""
        return f"{self.lease}_{self.frame}"

    def __str__(self) -> str:
        return f"result of job {self.job} frame {self.frame}"


@define(kw_only=True, eq=False)
class _Entry:
    result: Result
    path: Path
    after: asyncio.Event | None  # the result ends the frame's place in its lease, so its log goes first
    dropped: bool = False


class Outbox:
    """Delivers results, a few at once, for as long as it takes.

    ``on_settled`` is told each result that has left the outbox, with the error if it could not be delivered and its
    frame must be reported as failed.
    """

    def __init__(
        self,
        folder: Path,
        api: Api,
        trace: Trace,
        exports: Exports,
        on_settled: Callable[[Result, errors.NetrenderError | None], None],
    ) -> None:
        self._folder = folder
        self._api = api
        self._trace = trace
        self._on_settled = on_settled
        self._exports = exports
        self._entries: set[_Entry] = set()
        self._queue: asyncio.Queue[_Entry] = asyncio.Queue()
        self.largest = 0  # bytes of the largest result so far

    def load(self) -> list[Result]:
        """Take up what an earlier run has left. What is not whole is dropped: its frame is rendered again.

        Raises StorageError if the folder cannot be used; where it cannot even be made, there is nothing.
        """
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
        try:
            there = sorted(self._folder.iterdir()) if self._folder.exists() else []
        except OSError as error:
            raise errors.StorageError(f"the outbox {self._folder} cannot be used: {error.strerror}") from error
        for path in there:
            if path.suffix == ".json" and (result := _load(path)) is not None:
                self._enqueue(result, path.with_suffix(".exr"), None)
        kept = {entry.path for entry in self._entries} | {_about(entry.path) for entry in self._entries}
        for path in there:
            if path not in kept:  # or the process ended between two steps of add or of removal
                _remove(path)
        return [entry.result for entry in self._entries]

    def held(self) -> dict[int, set[int]]:
        """Frames whose results are here, by their lease."""
        frames: defaultdict[int, set[int]] = defaultdict(set)
        for entry in self._entries:
            if not entry.dropped:
                frames[entry.result.lease].add(entry.result.frame)
        return dict(frames)

    async def add(
        self,
        rendered: Path,
        *,
        job: str,
        frame: int,
        lease: int,
        seconds: float,
        after: asyncio.Event,
        results: str = "",
    ) -> None:
        """Move a rendered file here; it is sent once ``after`` is set. Raises StorageError if it cannot be read.

        On a full disk it is sent from where it lies, as long as this process lives.
        """

        def keep() -> tuple[Result, Path]:
            sha256, size = _digest(rendered)
            self.largest = max(self.largest, size)
            result = Result(
                job=job,
                frame=frame,
                lease=lease,
                seconds=seconds,
                sha256=sha256,
                size=size,
                results=results,
            )
            path, partial = self._folder / f"{result.name}.exr", self._folder / f"{result.name}.partial"
            try:
                rendered.replace(path)
            except OSError as error:
                logger.warning("%s stays in %s until it is sent: %s", result, rendered.parent, error)
                return result, rendered
            try:
                partial.write_text(codec.dumps(result), encoding="utf-8")
                partial.replace(_about(path))
            except OSError as error:
                logger.warning("%s is lost if the slave ends before it is sent: %s", result, error)
                _remove(partial)
            return result, path

        try:
            result, path = await asyncio.to_thread(keep)
        except OSError as error:
            raise _lost(error, f"frame {frame} was rendered, but ") from error
        self._enqueue(result, path, after)

    def discard(self, lease: int, frames: Sequence[int] = ()) -> None:
        """Drop the results of a lease that was revoked, or only those of some frames."""
        for entry in self._entries:
            if entry.result.lease == lease and (not frames or entry.result.frame in frames):
                entry.dropped = True

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(UPLOADS):
                group.create_task(self._work(), name=f"upload {number}")

    async def delivered(self) -> None:
        """Wait until nothing is left."""
        await self._queue.join()

    def _enqueue(self, result: Result, path: Path, after: asyncio.Event | None) -> None:
        entry = _Entry(result=result, path=path, after=after)
        self._entries.add(entry)
        self._queue.put_nowait(entry)

    async def _work(self) -> None:
        while True:
            entry = await self._queue.get()
            if entry.after is not None:
                await entry.after.wait()
            if entry.result.results and not entry.dropped:  # first: a job that is finished has all results there
                result = entry.result
                await self._exports.write(entry.path, result.results, result.job, result.frame, result.lease)
            failure = await self._deliver(entry)
            for path in (_about(entry.path), entry.path):
                await asyncio.to_thread(_remove, path)
            self._entries.discard(entry)
            self._on_settled(entry.result, failure)
            self._queue.task_done()

    async def _deliver(self, entry: _Entry) -> errors.NetrenderError | None:
        """Send one result; returns why its frame has failed if it cannot be delivered."""
        what = str(entry.result)
        for _ in range(BLOB_TRIES):
            try:
                await self._api.retry(what, lambda: self._put(entry))
                return None
            except (errors.ConflictError, errors.NotFoundError) as error:
                logger.info("%s is dropped: %s", what, error.message)
                return None
            except errors.BlobMismatchError:
                try:
                    sha256, _ = await asyncio.to_thread(_digest, entry.path)
                except OSError as error:
                    return _lost(error)
                if sha256 != entry.result.sha256:
                    return errors.StorageError("the result was damaged on the slave's disk")
                logger.warning("%s was damaged on its way; it is sent again", what)
            except errors.NetrenderError as error:
                return errors.NetrenderError(f"the coordinator does not take the result: {error.message}")
            except OSError as error:
                return _lost(error)
        return errors.NetrenderError(f"the result was damaged on its way {BLOB_TRIES} times")

    async def _put(self, entry: _Entry) -> None:
        if entry.dropped:
            return
        result = entry.result
        headers = {
            "Netrender-Lease": str(result.lease),
            "Netrender-Seconds": repr(result.seconds),
            "Netrender-SHA256": result.sha256,
            "Content-Type": "image/x-exr",
        }
        with self._trace.span("upload", result.job, result.frame):
            await self._api.put_result(result.job, result.frame, entry.path, headers)


def _about(path: Path) -> Path:
    return path.with_suffix(".json")


def _load(path: Path) -> Result | None:
    """What a file of the outbox says of its result; None, and a warning, if that cannot be."""
    try:
        if _size_of(path) > MAX_ABOUT:
            raise errors.BadRequestError(f"it has more than {MAX_ABOUT} bytes")
        result: Result = codec.loads(path.read_bytes(), Result)
        if path.stem != result.name:
            raise errors.BadRequestError(f"it is that of {result.name}")
        if (found := _size_of(path.with_suffix(".exr"))) != result.size:
            raise errors.BadRequestError(f"the result has {found} bytes, and not {result.size}")
    except (errors.NetrenderError, OSError) as error:
        logger.warning("outbox: %s is dropped, and its frame rendered again: %s", path.name, error)
        return None
    return result


def _size_of(path: Path) -> int:
    """Bytes of a file in the outbox. Raises BadRequestError for a link, which may lead out of it, and OSError."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise errors.BadRequestError(f"{path.name} is not a file")
    return found.st_size


def _lost(error: OSError, before: str = "") -> errors.StorageError:
    return errors.StorageError(f"{before}the result was lost on the slave's disk: {error.strerror or error}")


def _remove(path: Path) -> None:
    """What cannot be removed is removed by the next start, or delivered once more in vain."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("outbox: %s stays: %s", path.name, error)


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
