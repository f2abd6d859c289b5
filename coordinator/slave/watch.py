"""Over one frame: ends a renderer that hangs, or takes more memory than the job may have."""

import asyncio

from ..errors import RendererError
from ..renderer import Renderer
from . import memory


class Watch:
    """From the command to render until ``close``. Looks whenever the renderer says something."""

    def __init__(self, renderer: Renderer, stall: float, most: int) -> None:
        self._renderer = renderer
        self._stall = stall
        self._most = most
        self.reason: RendererError | None = None  # why it was ended
        self._loop = asyncio.get_running_loop()
        self._seen = self._loop.time()
        self._timer = self._loop.call_later(stall, self._check) if stall else None

    def alive(self) -> None:
        self._seen = self._loop.time()
        if self._most and self.reason is None and (taken := memory.peak(self._renderer.pid)) > self._most:
            self._end(f"it took {taken / 1e9:.1f} GB of memory, and the job allows {self._most / 1e9:g}")

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        left = self._seen + self._stall - self._loop.time()
        if left <= 0:
            self._end(f"it showed no progress for {self._stall:g} s; the job's --stall gives it longer")
        else:
            self._timer = self._loop.call_later(left, self._check)

    def _end(self, why: str) -> None:
        self.reason = RendererError(f"the renderer was ended: {why}")
        self._renderer.kill()
