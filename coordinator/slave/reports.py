"""Failures, told after the log that explains them, and told again to a coordinator that was away."""

import logging

from ..errors import NetrenderError
from ..protocol import messages
from .api import Api
from .connection import Connection
from .leases import Lease
from .logs import FrameLog
from .trees import Spawn

logger = logging.getLogger(__name__)


class Reports:
    """Makes the logs of frames, and reports what has failed."""

    def __init__(self, api: Api, connection: Connection, spawn: Spawn) -> None:
        self._api = api
        self._connection = connection
        self._spawn = spawn

    def log(self, lease: Lease, frame: int) -> FrameLog:
        """A log that is being sent from now on."""
        log = FrameLog(self._api, job=lease.job, frame=frame, lease=lease.number)
        self._spawn(log.run(), f"log of frame {frame}")
        return log

    def fail(self, lease: Lease, frame: int, error: NetrenderError, log: FrameLog | None = None) -> None:
        """This frame cannot be rendered here."""
        if lease.cancelled:
            return
        logger.warning("job %s frame %d failed: %s", lease.job, frame, error.message)
        log = self.explain(lease, frame, error, log)
        failed = messages.Failed(lease=lease.number, frame=frame, message=error.message, fault=error.fault)
        self._spawn(self._fail_after(log, lease, failed), f"report frame {frame}")

    def fail_rest(self, lease: Lease, error: NetrenderError, log: FrameLog | None = None) -> None:
        """None of the frames that are left can be rendered here. ``log`` is that of the first."""
        while lease.todo:
            self.fail(lease, lease.todo.popleft(), error, log)
            log = None

    def explain(self, lease: Lease, frame: int, error: NetrenderError, log: FrameLog | None) -> FrameLog:
        """The end of the frame's log says why it was not rendered here."""
        log = log or self.log(lease, frame)
        log.write(error.message.partition("\n")[0])  # the lines after it quote this very log
        log.close()
        return log

    def again(self, leases: list[Lease]) -> None:
        for lease in leases:
            for failed in lease.failures.values():
                self._connection.send(failed)

    async def _fail_after(self, log: FrameLog, lease: Lease, failed: messages.Failed) -> None:
        await log.sent.wait()
        if not lease.cancelled:
            lease.failures[failed.frame] = failed
            self._connection.send(failed)
            lease.settle(failed.frame)
