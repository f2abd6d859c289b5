"""What background threads do for Blender: reach the coordinator, send, fetch, watch. No bpy here.

They tell what happens by messages, plain values that the main thread takes from a queue.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import addresses, farm, frame_cache, wording
from .addresses import Where

if TYPE_CHECKING:
    from coordinator.client import Client
    from coordinator.errors import NetrenderError
    from coordinator.protocol.frames import FrameRange
    from coordinator.protocol.jobs import Manifest
    from coordinator.submission import Wishes

    from .snapshot import Snapshot

logger = logging.getLogger(__name__)

LOG_LINES = 12  # of a failed frame's log that a message quotes: its end says why


@dataclass(frozen=True)
class Connected:
    """A coordinator answers."""

    line: str  # what another program on this computer needs to reach it


@dataclass(frozen=True)
class Uploading:
    done: int  # bytes
    total: int


@dataclass(frozen=True)
class Sent:
    """The job is there, with all its files."""

    job: str
    name: str
    scene: str
    frames: tuple[int, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Warned:
    """Something that the user should see to; it goes on meanwhile."""

    text: str


@dataclass(frozen=True)
class Fetching:
    """These frames of the job are going to come."""

    job: str
    scene: str
    frames: tuple[int, ...]
    folder: Path


@dataclass(frozen=True)
class Ended:
    """Nothing more will come."""

    job: str
    failed: dict[int, str] = field(default_factory=dict)  # with the end of each one's log
    undone: tuple[int, ...] = ()  # because the job was cancelled


@dataclass(frozen=True)
class Broke:
    """The errand could not be done."""

    error: NetrenderError


Tell = Callable[[Any], None]


def connect(where: Where) -> Client:
    """A client of the coordinator that is meant. Raises UsageError or UnreachableError."""
    found = addresses.named(where)
    if found is not None:
        return farm.client.Client(found)
    client = farm.client.Client(farm.config.Address(url=f"http://{farm.constants.DEFAULT_HOST}:{where.port}"))
    try:
        client.version()
    except farm.errors.UnreachableError:
        client.close()
        return farm.client.Client(farm.discovery.find_now())
    return client


def send(client: Client, snapshot: Snapshot, wishes: Wishes, tell: Tell) -> str:
    """The job of a snapshot, with all its files, to the coordinator. Returns its id."""
    try:
        return _send(client, snapshot, wishes, tell)
    finally:
        snapshot.discard()


def send_all(client: Client, snapshot: Snapshot, wishes: Iterable[Wishes], tell: Tell) -> list[str]:
    """Several jobs of one snapshot. Returns their ids."""
    try:
        return [_send(client, snapshot, each, tell) for each in wishes]
    finally:
        snapshot.discard()


def _send(client: Client, snapshot: Snapshot, wishes: Wishes, tell: Tell) -> str:
    prepared = snapshot.prepare(wishes)
    accepted = farm.submission.send(client, prepared, lambda done, total: tell(Uploading(done, total)))
    manifest = prepared.manifest
    frames = farm.frames.FrameRange.parse(manifest.frames)
    if not accepted.new and accepted.state in farm.states.ENDED:
        info = client.job(accepted.id)
        if info.counts.done < info.counts.total:  # sent once more: what failed then is to be tried again
            client.command(accepted.id, "reset")
    tell(Sent(accepted.id, manifest.name, manifest.render.scene, tuple(frames), prepared.warnings))
    _warn_of_slaves(client, manifest, tell)
    return accepted.id


def _warn_of_slaves(client: Client, manifest: Manifest, tell: Tell) -> None:
    """A job that nobody can render waits, and looks like one that takes long."""
    slaves = [slave for slave in client.slaves() if slave.connected]
    if not slaves:
        tell(
            Warned(
                f"no slave is connected to {client.address.url}: start one on any computer (Slave mode, or "
                "'netrender slave'); the job waits for it"
            )
        )
    elif not any(
        _series(slave.blender) >= _series(manifest.blender) and set(slave.features) >= set(manifest.features)
        for slave in slaves
    ):
        there = ", ".join(f"{slave.name} (Blender {slave.blender})" for slave in slaves)
        needs = " and ".join([f"Blender {manifest.blender} or later", *manifest.features])
        tell(Warned(f"no slave can render this: it needs {needs}, and there is {there}; the job waits for another"))


def _series(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2])


def fetch(client: Client, job: str, frames: str, cache: Path, tell: Tell, *, scene: str = "") -> None:
    """A job's frames (all, or these) into the cache as they are done, until none is left to wait for.

    They are shown as the scene's.
    """
    info = client.job(job)
    wanted = farm.frames.FrameRange.parse(frames or info.frames)
    folder = frames_folder(cache, info.id)
    hold = frame_cache.Hold(folder)
    try:
        if frame_cache.limit:
            frame_cache.trim(cache, frame_cache.limit)
        tell(Fetching(info.id, scene, tuple(wanted), folder))
        _gather(client, info.id, wanted, folder, tell)
    except farm.errors.StorageError as error:
        raise farm.errors.StorageError(
            f"{error.message}. The job goes on; get its frames again when there is room: none that is here is lost"
        ) from error
    finally:
        hold.release()


def _gather(client: Client, job: str, wanted: FrameRange, folder: Path, tell: Tell) -> None:
    gathered = farm.gathering.gather(client, job, wanted, folder, wait=True, on_event=tell)
    failed = {frame: _with_log(client, job, frame, why) for frame, why in gathered.failed.items()}
    tell(Ended(job, failed, tuple(gathered.undone) if gathered.undone.spans else ()))


def frames_folder(cache: Path, job: str) -> Path:
    return frame_cache.folder(cache, job)


def _with_log(client: Client, job: str, frame: int, why: str) -> str:
    try:
        lines = client.log(job, frame).decode(errors="replace").splitlines()[-LOG_LINES:]
    except farm.errors.NetrenderError as error:
        lines = [f"(no log: {error.message})"]
    return "\n    ".join([why, *lines])


class Errand:
    """One thing that a thread of its own does with the coordinator."""

    def __init__(self, name: str, where: Where, work: Callable[[Client, Tell], None], tell: Tell) -> None:
        self._where = where
        self._work = work
        self._tell = tell
        self._lock = threading.Lock()
        self._client: Client | None = None
        self.cancelled = False
        self._thread = threading.Thread(target=self._run, name=f"netrender {name}", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Let it end at its next block of bytes; it tells nothing more. What the coordinator has stays."""
        with self._lock:
            self.cancelled = True
            if self._client is not None:
                self._client.close()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            client = connect(self._where)
            with self._lock:
                self._client = client
                if self.cancelled:
                    client.close()
            with client:
                client.version()
                self._say(Connected(addresses.pairing_line(client.address)))
                self._work(client, self._say)
        except farm.errors.NetrenderError as error:
            self._say(Broke(wording.reworded(error)))
        except Exception as error:  # a defect must reach the user too, and not end in a thread that nobody looks at
            if not self.cancelled:  # else it may be that our packages go: the extension is being disabled
                logger.exception("%s", self._thread.name)
            self._say(Broke(farm.errors.NetrenderError(f"{type(error).__name__}: {error}")))

    def _say(self, message: Any) -> None:
        if not self.cancelled:
            self._tell(message)
