"""A slave without Blender, on a thread: it delivers bytes that the test chooses, when the test allows it."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import aiohttp
from attrs import define, field

from coordinator.constants import PROTOCOL_VERSION
from coordinator.protocol import codec, messages


def rendered(frame: int) -> bytes:
    """What it delivers unless told otherwise."""
    return f"frame {frame}".encode()


@define
class ScriptedSlave:
    """Renders a frame whenever ``go`` has a permit."""

    url: str
    name: str = "scripted"
    render: Callable[[int], bytes | None] = rendered  # None: the frame fails
    id: str = field(factory=lambda: uuid4().hex)
    connected: threading.Event = field(factory=threading.Event)
    _permits: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(0))
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.new_event_loop)

    def allow(self, frames: int) -> None:
        for _ in range(frames):
            self._loop.call_soon_threadsafe(self._permits.release)

    async def serve(self) -> None:
        async with aiohttp.ClientSession(self.url) as http, http.ws_connect("/api/slave") as socket:
            hello = messages.Hello(
                protocol=PROTOCOL_VERSION, slave=self.id, name=self.name, host="here", blender="4.5.0", threads=1
            )
            await socket.send_str(codec.dumps(hello, messages.FromSlave))
            async for message in socket:
                said = codec.loads(message.data, messages.ToSlave, union=True)
                if isinstance(said, messages.Welcome):
                    self.connected.set()
                elif isinstance(said, messages.Work):
                    for frame in said.frames:
                        await self._frame(http, socket, said, frame)

    async def _frame(
        self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, work: messages.Work, frame: int
    ) -> None:
        async def say(message: Any) -> None:
            await socket.send_str(codec.dumps(message, messages.FromSlave))

        await self._permits.acquire()
        await say(messages.Started(lease=work.lease, frame=frame))
        mine = {"Netrender-Lease": str(work.lease), "Netrender-Slave": self.id}
        path = f"/api/jobs/{work.job}/frames/{frame}"
        async with http.post(f"{path}/log", data=f"log of {frame}\n".encode(), headers=mine) as answer:
            assert answer.status == 204, await answer.text()
        result = self.render(frame)
        if result is None:
            await say(messages.Failed(lease=work.lease, frame=frame, message="it was told to fail"))
            return
        headers = {**mine, "Netrender-Seconds": "0.5", "Netrender-SHA256": hashlib.sha256(result).hexdigest()}
        async with http.put(f"{path}/result", data=result, headers=headers) as answer:
            assert answer.status == 204, await answer.text()

    def run(self) -> None:
        try:
            self._loop.run_until_complete(self.serve())
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    def stop(self) -> None:
        def cancel() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(cancel)


@contextmanager
def scripted_slave(url: str, name: str = "scripted", permits: int = 0, **options: Any) -> Iterator[ScriptedSlave]:
    slave = ScriptedSlave(url, name, **options)
    thread = threading.Thread(target=slave.run, name=name)
    thread.start()
    slave.connected.wait()
    slave.allow(permits)
    try:
        yield slave
    finally:
        slave.stop()
        thread.join()
