"""Results to a folder, while the job renders or afterwards."""

import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from attrs import define, field, frozen

from . import errors
from .client import Client
from .client.downloads import check_writable
from .client.uploads import backoff
from .constants import TRANSFERS, WATCH_PATIENCE
from .protocol.frames import FrameRange
from .protocol.frames import frame_name as frame_name  # what gathering gives its files, too
from .protocol.jobs import FrameInfo, JobInfo
from .protocol.messages import Event, FrameDone, FrameFailed, FrameQueued, JobChanged
from .protocol.states import ENDED, FrameState

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class FrameSaved:
    """A frame lies in the output folder."""

    frame: int
    path: str
    downloaded: bool  # False if the same file was there already


@frozen(kw_only=True)
class CoordinatorLost:
    """The connection broke; it is tried again."""

    message: str


Happening = Event | FrameSaved | CoordinatorLost
OnEvent = Callable[[Happening], None]


@frozen(kw_only=True)
class Gathered:
    """How it ended."""

    job: JobInfo
    frames: FrameRange  # that were asked for
    saved: int  # that lie in the output folder, or are done if there is none
    failed: dict[int, str]  # given up, and why
    undone: FrameRange  # neither, because nobody waited or the job was cancelled

    @property
    def complete(self) -> bool:
        return self.saved == len(self.frames)


def gather(
    client: Client,
    job: str,
    frames: FrameRange | None,
    output: Path | None,
    *,
    wait: bool,
    on_event: OnEvent = lambda event: None,
    patience: float = WATCH_PATIENCE,
) -> Gathered:
    """Download the job's frames (all, or these) as they are done; with ``wait`` until none is left.

    Without ``output`` it only watches. While it waits, the coordinator may be away for ``patience`` seconds.
    Raises BadFramesError for frames that the job does not have, StorageError, UnreachableError.
    """
    if output is not None:
        check_writable(output)
    info = client.job(job)
    theirs = FrameRange.parse(info.frames)
    if frames is None:
        frames = theirs
    elif strangers := [frame for frame in frames if frame not in theirs]:
        raise errors.BadFramesError(
            f"job {info.id} has no frame {FrameRange.of(strangers[:1000])}; its frames are {info.frames}"
        )
    pool = ThreadPoolExecutor(TRANSFERS, thread_name_prefix="gather")
    gathering = _Gathering(client=client, job=info.id, frames=frames, output=output, on_event=on_event, pool=pool)
    try:
        if wait:
            _persist(gathering, patience)
        else:
            gathering.list_frames()
            gathering.finish()
    except errors.StorageError as error:
        pool.shutdown(cancel_futures=True)
        raise errors.StorageError(f"{error.message}; {gathering.so_far()}") from error
    except KeyboardInterrupt:
        client.close()  # ends the downloads too
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return gathering.result()


def _persist(gathering: "_Gathering", patience: float) -> None:
    """Follow the job to its end, over restarts of the coordinator."""
    failures, lost_at = 0, None
    while True:
        try:
            for _ in gathering.follow():
                failures, lost_at = 0, None
            return
        except errors.UnreachableError as error:
            now = time.monotonic()
            lost_at = now if lost_at is None else lost_at
            if now - lost_at >= patience or gathering.client.closed.is_set():
                raise
            if not failures:
                gathering.on_event(CoordinatorLost(message=error.message))
            failures += 1
            logger.info("job %s: %s (try %d)", gathering.job, error.message, failures)
            gathering.client.closed.wait(backoff(failures))


@define(kw_only=True)
class _Gathering:
    """What is known about the frames that were asked for. Only the calling thread changes it."""

    client: Client
    job: str
    frames: FrameRange
    output: Path | None
    on_event: OnEvent
    pool: ThreadPoolExecutor
    saved: set[int] = field(factory=set)
    failed: dict[int, str] = field(factory=dict)
    loading: dict[Future[FrameSaved], int] = field(factory=dict)

    @property
    def settled(self) -> bool:
        """Nothing is left that the farm could still do."""
        return len(self.saved) + len(self.loading) + len(self.failed) == len(self.frames)

    def result(self) -> Gathered:
        undone = (f for f in self.frames if f not in self.saved and f not in self.failed)
        return Gathered(
            job=self.client.job(self.job),
            frames=self.frames,
            saved=len(self.saved),
            failed=dict(sorted(self.failed.items())),
            undone=FrameRange.of(undone),
        )

    def so_far(self) -> str:
        """What lies in the output folder, if that is not all; when no download is on its way any more."""
        ended = {frame for future, frame in self.loading.items() if not future.cancelled() and not future.exception()}
        left = FrameRange.of(frame for frame in self.frames if frame not in self.saved | ended)
        return f"{len(self.frames) - len(left)} of {len(self.frames)} frames are there, not {left}"

    def follow(self) -> Iterator[None]:
        """Until the job has ended or every frame is settled and saved. Yields whenever something arrives."""
        with contextlib.closing(self.client.events(self.job)) as stream:  # before the list, so that nothing is missed
            self.list_frames()
            while not self.settled:
                event = next(stream)
                self._collect(future for future in list(self.loading) if future.done())
                if event is not None and self._take(event):
                    self.list_frames()  # the last word: a frame may have ended before we watched
                    break
                yield
        self.finish()

    def finish(self) -> None:
        """Wait for the downloads that are on their way."""
        self._collect(as_completed(list(self.loading)))

    def list_frames(self) -> None:
        busy = set(self.loading.values())
        for info in self.client.frames(self.job):
            if info.frame not in self.frames or info.frame in self.saved or info.frame in busy:
                continue
            if info.state is FrameState.DONE:
                if self.output is None:  # nothing will be saved: tell here what was done before we watched
                    self.on_event(_as_event(self.job, info))
                self._load(info.frame, info.sha256, info.size)
            elif info.state is FrameState.ERROR:
                self.failed[info.frame] = info.error
            else:
                self.failed.pop(info.frame, None)

    def _take(self, event: Event) -> bool:
        """Whether the job has ended."""
        self.on_event(event)
        match event:
            case FrameDone(frame=frame) if frame in self.frames:
                if frame not in self.saved and frame not in self.loading.values():
                    self._load(frame, event.sha256, event.size)
            case FrameFailed(frame=frame, final=True) if frame in self.frames:
                self.failed[frame] = event.message
            case FrameQueued(frame=frame):
                self.failed.pop(frame, None)
            case JobChanged(job=job) if job.id == self.job:
                return job.state in ENDED
        return False

    def _load(self, frame: int, sha256: str, size: int) -> None:
        self.failed.pop(frame, None)
        if self.output is None:
            self.saved.add(frame)
        else:
            self.loading[self.pool.submit(self._save, frame, sha256, size, self.output)] = frame

    def _save(self, frame: int, sha256: str, size: int, output: Path) -> FrameSaved:
        path = output / frame_name(frame)
        if _is(path, sha256, size):
            return FrameSaved(frame=frame, path=str(path), downloaded=False)
        if self.client.result(self.job, frame, path) is None:
            raise errors.NetrenderError(f"job {self.job} frame {frame}: it was reported done, but has no result")
        return FrameSaved(frame=frame, path=str(path), downloaded=True)

    def _collect(self, futures: Iterable[Future[FrameSaved]]) -> None:
        for future in futures:
            frame = self.loading.pop(future)
            saved = future.result()
            self.saved.add(frame)
            self.on_event(saved)


def _as_event(job: str, info: FrameInfo) -> FrameDone:
    return FrameDone(
        job=job, frame=info.frame, slave=info.slave, seconds=info.seconds or 0.0, sha256=info.sha256, size=info.size
    )


def _is(path: Path, sha256: str, size: int) -> bool:
    """Whether exactly this file is there already."""
    try:
        if path.stat().st_size != size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
