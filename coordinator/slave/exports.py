"""Results to a folder that client and slaves share: only where the slave's owner allows it, whole or not at all."""

import asyncio
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ..errors import NetrenderError, StorageError
from ..pathmaps import PathMap
from ..protocol.frames import frame_name
from .api import Api

logger = logging.getLogger(__name__)

PARTIAL = ".netrender-part"  # the end of a file's name until it is whole


class Exports:
    """Writes to the folders that jobs ask for, if they are in these."""

    def __init__(self, allowed: Iterable[PathMap], api: Api) -> None:
        self._allowed = tuple(allowed)
        self._api = api

    async def write(self, source: Path, folder: str, job: str, frame: int, lease: int) -> None:
        """A failure is told in the frame's log, and is no failure of the frame: its result is delivered anyway."""
        what = f"result of job {job} frame {frame}"
        try:
            path = await asyncio.to_thread(write, source, folder, self._allowed, frame, lease)
        except StorageError as error:
            logger.warning("%s: %s", what, error.message)
            text = f"warning: {error.message}\n".encode()
            try:
                await self._api.retry(f"warning about the {what}", lambda: self._api.post_log(job, frame, lease, text))
            except NetrenderError as refusal:  # the lease was revoked, say
                logger.info("warning about the %s is not taken: %s", what, refusal.message)
        else:
            logger.info("%s is written to %s too", what, path)


def write(source: Path, folder: str, allowed: Iterable[PathMap], frame: int, lease: int) -> Path:
    """Copy a result to ``folder``, which is named as the client has it; returns the file.

    Raises StorageError if the folder is not in an ``allowed`` one, or cannot be written.
    """
    name = frame_name(frame)
    try:
        target = locate(folder, allowed) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Of this lease alone: a slave that lost the frame may be writing it still.
        partial = target.with_name(f".{name}.{lease}{PARTIAL}")
        partial.unlink(missing_ok=True)  # of an earlier run that was killed
        try:
            _copy(source, partial)
            partial.replace(target)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(
            f"the result is not in {folder}: {error.strerror or error}; it can be gathered as ever"
        ) from error
    return target


def locate(folder: str, allowed: Iterable[PathMap]) -> Path:
    """Where the client's ``folder`` is here. Raises StorageError unless it is in a folder that results may go to."""
    for one in allowed:
        if (found := one.apply(folder)) is None:
            continue
        root, there = Path(one.target), Path(found)
        if not root.is_dir():  # a drive that is not mounted: what is written would be under its mount point
            raise StorageError(f"the result is not in {folder}: {root} is not there on this slave; is it mounted?")
        if not there.resolve().is_relative_to(root.resolve()):
            raise StorageError(f"the result is not in {folder}: a link leads out of {root}")
        return there
    raise StorageError(
        f"the result is not in {folder}: this slave may not write there; start it with --results-folder FROM=TO"
    )


def _copy(source: Path, partial: Path) -> None:
    with source.open("rb") as file, partial.open("xb") as other:
        shutil.copyfileobj(file, other)
        other.flush()
        os.fsync(other.fileno())
