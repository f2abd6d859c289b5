"""Whether this machine can render: it is set aside when it cannot, and goes on when it can again."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from ..constants import RECOVERY_CHECK
from ..errors import NetrenderError

logger = logging.getLogger(__name__)

LONGEST = 300  # characters of a reason that travels


class Health:
    """``check`` tries whether so many bytes can be written, and whether Blender starts; it says what is in the way.

    ``say_aside`` tells the coordinator why, and with which job it showed; ``say_fit`` that it is over.
    """

    def __init__(
        self,
        check: Callable[[int], Awaitable[NetrenderError | None]],
        say_aside: Callable[[str], None],
        say_fit: Callable[[], None],
    ) -> None:
        self._check = check
        self._say_aside = say_aside
        self._say_fit = say_fit
        self._job = ""
        self._room = 0  # bytes that the write needed which failed
        self._after: asyncio.Event | None = None  # the log that explains it is sent
        self._news = asyncio.Event()  # it was set aside, or the coordinator has to be told again
        self._at_once = False  # look now, and not after a while
        self.reason = ""  # empty while it can render

    def set_aside(self, error: NetrenderError, job: str = "", after: asyncio.Event | None = None) -> None:
        """It can render nothing, for this reason; the coordinator is told ``after`` that."""
        self._take(error)
        self._job, self._after = job, after
        self._news.set()

    def asked(self) -> None:
        """Work came all the same: it was sent before the coordinator knew, or a person said that it is healed."""
        self._at_once = True
        self._news.set()

    async def run(self) -> None:
        """Tell what is the matter, and look whether it is over, for as long as the slave lives."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self.reason:
                await self._tell()
                await self._recover()

    async def _recover(self) -> None:
        """Return when it can render again, or when there is something to be told before."""
        while True:
            # Looking again and again is the only way: no system tells a program that there is room again.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0 if self._at_once else RECOVERY_CHECK):
                    await self._news.wait()
                    return
            self._at_once = False
            error = await self._check(self._room)
            if self._news.is_set():
                return
            if error is None:
                self.reason = ""
                self._say_fit()
                return
            if self._take(error):
                self._say_aside("")

    async def _tell(self) -> None:
        if self._after is not None:
            await self._after.wait()
        self._say_aside(self._job)
        self._job, self._after = "", None

    def _take(self, error: NetrenderError) -> bool:
        """Whether the reason is another one than before."""
        self._room = max(self._room if self.reason else 0, getattr(error, "room", 0))
        before, self.reason = self.reason, error.message.partition("\n")[0][:LONGEST] or error.code
        return self.reason != before
