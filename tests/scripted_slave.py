"""A slave without a renderer on a thread of its own, for tests of the synchronous client."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from attrs import define, field

from coordinator.protocol import messages

from .slaves import FakeSlave


def rendered(frame: int) -> bytes:
    """What it delivers unless told otherwise."""
    return f"frame {frame}".encode()


@define
class ScriptedSlave:
    """Renders one frame for every permit that the test gives."""

    url: str
    name: str = "scripted"
    render: Callable[[int], bytes | None] = rendered  # None: the frame fails
    blender: str = "9.9.0"  # new enough for every .blend
    connected: threading.Event = field(factory=threading.Event)
    _permits: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(0))
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.new_event_loop)

    def allow(self, frames: int) -> None:
        for _ in range(frames):
            self._loop.call_soon_threadsafe(self._permits.release)

    async def serve(self) -> None:
        async with FakeSlave(self.url, self.name, blender=self.blender) as slave:
            self.connected.set()
            while (said := await slave.next(patience=None)) is not None:
                if not isinstance(said, messages.Work):
                    continue
                for frame in said.frames:
                    await self._permits.acquire()
                    await self._frame(slave, said, frame)

    async def _frame(self, slave: FakeSlave, work: messages.Work, frame: int) -> None:
        await slave.started(work, frame)
        await slave.post_log(work, frame, f"log of {frame}\n")
        result = self.render(frame)
        if result is None:
            await slave.failed(work, frame, "it was told to fail")
        else:
            await slave.put_result(work, frame, result)

    def run(self) -> None:
        try:
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self.serve())
        finally:
            self.connected.set()
            self._loop.close()

    def stop(self) -> None:
        def cancel() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()

        with suppress(RuntimeError):  # its loop has ended with the connection
            self._loop.call_soon_threadsafe(cancel)


@contextmanager
def scripted_slave(
    url: str, name: str = "scripted", permits: int = 0, render: Callable[[int], bytes | None] = rendered
) -> Iterator[ScriptedSlave]:
    slave = ScriptedSlave(url, name, render)
    thread = threading.Thread(target=slave.run, name=name)
    thread.start()
    slave.connected.wait()
    slave.allow(permits)
    try:
        yield slave
    finally:
        slave.stop()
        thread.join()
