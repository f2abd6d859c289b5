"""Which slave this is: a data folder that only one process uses, and the id that is kept in it."""

import contextlib
import errno
import logging
import re
import socket
import uuid
from itertools import count
from pathlib import Path

import platformdirs
from attrs import field, frozen
from filelock import FileLock, Timeout

from ..errors import ConflictError, StorageError, UsageError
from ..protocol.limits import MAX_NAME, printable, readable

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class Slot:
    """A claimed data folder. The lock ends with ``release``, or with the process."""

    folder: Path
    id: str  # 32 hexadecimal digits, the same for as long as the folder lives
    name: str
    _lock: FileLock = field(repr=False, eq=False)

    def keep(self) -> None:
        """Write the id, if the disk was full when the folder was claimed. Raises OSError."""
        if not (self.folder / "id").exists():
            _write_id(self.folder / "id", self.id)

    def release(self) -> None:
        self._lock.release()


def claim(data: Path | None = None, name: str | None = None) -> Slot:
    """Claim ``data``, or else the first free one of this user's slots ``slave-1``, ``slave-2`` ...

    Raises ConflictError if another slave uses ``data``, StorageError if the folder cannot be written, UsageError for a
    name that no coordinator takes.
    """
    if name and (len(name) > MAX_NAME or name != readable(name)):
        raise UsageError(f"--name {name[:40]!r}: a slave's name is text of up to {MAX_NAME} characters")
    name, host = printable(name or ""), printable(socket.gethostname())  # as a coordinator takes them
    try:
        if data is not None:
            slot = _claim(data, name or host)
            if slot is None:
                raise ConflictError(f"another slave uses the folder {data}; stop it, or give this one its own --data")
            return slot
        slots = platformdirs.user_data_path("netrender", appauthor=False)
        for number in count(1):
            if slot := _claim(slots / f"slave-{number}", name or f"{host}-{number}"):
                return slot
        raise AssertionError("numbers do not end")
    except OSError as error:
        raise StorageError(f"the slave's folder cannot be used: {error}; name another with --data") from error


def _claim(folder: Path, name: str) -> Slot | None:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    try:
        return Slot(folder=folder.resolve(), id=_read_id(folder / "id"), name=name, lock=lock)
    except BaseException:
        lock.release()
        raise


def _read_id(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        text = path.read_text(encoding="ascii", errors="replace").strip()
        if re.fullmatch(r"[0-9a-f]{32}", text):
            return text
    text = uuid.uuid4().hex
    try:
        _write_id(path, text)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        logger.warning("%s: %s; the slave's id is written when there is room", path, error.strerror)
    return text


def _write_id(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text + "\n", encoding="ascii")
    partial.replace(path)  # whole or not at all
