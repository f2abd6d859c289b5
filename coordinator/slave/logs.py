"""The log of a frame on its way to the coordinator, while the frame renders."""

import asyncio
import contextlib
import logging

from .. import errors
from ..constants import LOG_DELAY, MAX_LOG
from .api import Api

logger = logging.getLogger(__name__)


class FrameLog:
    """Takes lines at any speed without blocking, and sends them in batches until it is closed."""

    def __init__(self, api: Api, *, job: str, frame: int, lease: int) -> None:
        self.job, self.frame, self.lease = job, frame, lease
        self.sent = asyncio.Event()  # it is closed, and the coordinator has all of it (or wants none)
        self._api = api
        self._buffer = bytearray()
        self._size = 0  # bytes that were taken
        self._news = asyncio.Event()
        self._closed = asyncio.Event()
        self._wanted = True

    def write(self, line: str) -> None:
        """Take one line; what exceeds the limit of a frame's log is left out."""
        if self._closed.is_set() or self._size > MAX_LOG:
            return
        data = line.encode(errors="replace") + b"\n"
        self._size += len(data)
        self._buffer += data if self._size <= MAX_LOG else b"[the log is too long: the rest is left out]\n"
        self._news.set()

    def close(self) -> None:
        """There are no more lines; ``sent`` is set when what there is has arrived."""
        self._closed.set()
        self._news.set()

    async def run(self) -> None:
        """Send until it is closed and empty."""
        while not (self._closed.is_set() and not self._buffer):
            await self._news.wait()
            self._news.clear()
            # Lines come in bursts. (Python 3.11's wait_for would swallow a cancellation that comes with the close.)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOG_DELAY):
                    await self._closed.wait()
            await self._send()
        self.sent.set()

    async def _send(self) -> None:
        text = bytes(self._buffer)
        self._buffer.clear()
        if not text or not self._wanted:
            return
        what = f"log of job {self.job} frame {self.frame}"
        try:
            await self._api.retry(what, lambda: self._api.post_log(self.job, self.frame, self.lease, text))
        except errors.NetrenderError as error:  # the lease was revoked, say: nobody wants this log
            logger.info("%s is not taken: %s", what, error.message)
            self._wanted = False
