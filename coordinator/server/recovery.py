"""What the coordinator does when its farm in memory and its store do not agree: it loads the farm again.

Two things lead here. The disk is full, so that decisions cannot be made durable: the coordinator then accepts nothing,
says so in every answer, and goes on when there is room. Or the scheduler failed on an event, and may have left the farm
half changed: the event is refused. Slaves stay connected, and are asked what they hold, as after a restart.
"""

import asyncio
import logging
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from ..constants import ROOM_CHECK, ROOM_LEAST, SLAVE_SILENCE
from ..errors import NetrenderError, StorageError
from ..protocol import messages
from ..scheduling.events import GraceEnded
from ..store import records
from ..store.database import Failure, Trouble

if TYPE_CHECKING:
    from .service import Service

log = logging.getLogger(__name__)


class Recovery:
    """The state of one service's store. All of it on the service's event loop."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self.problem = ""  # why nothing can be kept at present, and what to do; empty while all is well
        self.asked: set[str] = set()  # slaves that were asked to say hello again
        self._waiting: asyncio.Task[None] | None = None
        self._grace: asyncio.TimerHandle | None = None

    @property
    def _folder(self) -> Path:
        return self._service.database.path.parent

    def check(self) -> None:
        """Raise StorageError while nothing can be kept."""
        if self.problem:
            raise StorageError(self.problem)

    def refuse(self, event: object, error: Exception) -> NetrenderError:
        """Return the error for an event on which the scheduler failed, after the farm is as it was before."""
        log.error("event %.500r is refused, because the scheduler failed on it", event, exc_info=error)
        self._reload()
        self._ask_all()
        return NetrenderError("the coordinator failed at this and changed nothing; its log has the cause")

    def on_unwritten(self, failure: Failure) -> None:
        """Deal with decisions that were not written, and with all that was built on them."""
        if failure.generation < self._service.database.generation:
            return  # the farm was loaded since
        if failure.trouble is Trouble.DAMAGE:
            self._service.on_broken(failure.error)
        elif failure.trouble is Trouble.DISK:
            self._wait_for_room(failure.error.message)
        else:
            self._reload()
            self._ask_all()

    def on_storage_error(self, error: StorageError) -> None:
        """Find out whether a file could not be written because the disk is full, or for a reason of its own."""
        if _free(self._folder) < ROOM_LEAST:
            self._wait_for_room(error.message)

    def begin_grace(self) -> None:
        """Give slaves the time to come back that their leases live on for."""
        if self._grace is not None:
            self._grace.cancel()
        self._grace = asyncio.get_running_loop().call_later(SLAVE_SILENCE, self._end_grace)

    def close(self) -> None:
        """Stop waiting for anything."""
        if self._grace is not None:
            self._grace.cancel()
        if self._waiting is not None:
            self._waiting.cancel()

    def _end_grace(self) -> None:
        self._grace = None
        self.asked.clear()
        self._service.submit(GraceEnded(now=self._service.clock()))

    def _reload(self) -> None:
        """Replace the farm by what the store has of it. Nobody is connected then."""
        service = self._service
        service.flush()
        service.database.renew()
        now = service.farm.now
        try:
            service.farm = records.load(service.database, service.blobs.has, service.farm.policy)
        except sqlite3.Error as error:
            service.on_broken(StorageError(f"database {service.database.path} cannot be read: {error}"))
        except NetrenderError as error:  # which names the database, and the row that is wrong
            service.on_broken(error)
        service.farm.now = now
        service.set_alarm()

    def _ask_all(self) -> None:
        """Ask the connected slaves what they hold, after the messages that are still on their way to them."""

        def ask(failure: Failure | None) -> None:
            if failure is not None:
                self.on_unwritten(failure)
                return
            for slave, put in self._service.outboxes.items():
                self.asked.add(slave)
                put(messages.Resync())

        self._service.database.write_then((), ask)
        self.begin_grace()

    def _wait_for_room(self, why: str) -> None:
        if self._waiting is not None:
            return
        self._set_problem(
            f"the coordinator's disk is full, so that it accepts nothing: free some space at {self._folder}, and it "
            "goes on by itself"
        )
        log.info("it was seen by this: %s", why)
        self._reload()
        self._waiting = asyncio.create_task(self._until_room(), name="wait for room on the disk")

    async def _until_room(self) -> None:
        """Go on when the store takes a row again. No operating system tells a program that a disk has room."""
        while True:
            await asyncio.sleep(ROOM_CHECK)
            if _free(self._folder) < ROOM_LEAST:
                continue
            try:
                await asyncio.to_thread(self._service.database.probe)
                break
            except StorageError as error:
                log.debug("still no room: %s", error.message)
        self._waiting = None
        self._set_problem("")
        self._ask_all()
        self._service.set_alarm()

    def _set_problem(self, problem: str) -> None:
        if problem:
            log.error("%s", problem)
        else:
            log.warning("the coordinator's disk has room again: it goes on")
        self.problem = problem
        self._service.watchers.tell(messages.ProblemChanged(problem=problem))


def _free(folder: Path) -> int:
    """Bytes that are free on the folder's disk; 0 where the system does not say."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
