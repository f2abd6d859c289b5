"""What a slave needs of its machine to render anything: a disk that takes what is written, a Blender that starts."""

import asyncio

from ..constants import SLAVE_ROOM
from ..errors import NetrenderError, cannot_write
from ..renderer import Ready
from . import space
from .cache import Cache
from .identity import Slot
from .outbox import Outbox
from .warm import WarmRenderer


class Machine:
    """Looks whether it is all there, and makes room for it."""

    def __init__(self, slot: Slot, renderer: WarmRenderer, cache: Cache, outbox: Outbox) -> None:
        self._slot = slot
        self._renderer = renderer
        self._cache = cache
        self._outbox = outbox

    async def full(self) -> NetrenderError | None:
        """Say why nothing at all can be written; None if something can."""
        return await self._try(min(space.FIRST, space.least(self._slot.folder)))

    async def make_room(self, wanted: int) -> NetrenderError | None:
        """Have so many bytes free, and as many as the largest result so far took. What is in the way, if anything.

        What the slave keeps for jobs that it does not render is dropped, if need be. Nothing renders meanwhile.
        """
        size = max(min(max(wanted, self._outbox.largest), SLAVE_ROOM), space.least(self._slot.folder))
        error = await self._try(size)
        if error is not None:
            self._renderer.forget()  # what is open needs its files, and has temporary ones
            self._cache.keep_only(set())
            await self._cache.give_room(size)
            error = await self._try(size)
        return error

    async def start_blender(self) -> Ready:
        """Raises what it does not start for."""
        return await self._renderer.start()

    async def _try(self, size: int) -> NetrenderError | None:
        return await asyncio.to_thread(self._write, size)

    def _write(self, size: int) -> NetrenderError | None:
        folder = self._slot.folder
        try:
            for name in ("work", "temp", "outbox"):
                (folder / name).mkdir(exist_ok=True)
            self._slot.keep()
        except OSError as error:
            return cannot_write(space.FAILED, error, space.REMEDY)
        return space.obstacle(folder / "work", size)
