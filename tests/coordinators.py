"""A real coordinator on a thread of this process, on a free port of 127.0.0.1."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from coordinator.client import Client
from coordinator.config import Address
from coordinator.server import Listening, ServerOptions, serve


@frozen
class RunningCoordinator:
    url: str
    data: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def address(self) -> Address:
        return Address.parse(self.url)

    @property
    def client(self) -> Client:
        return Client(self.address)


@contextmanager
def running_coordinator(
    data: Path, port: int = 0, max_frames: int = 100_000, cache_limit: int | None = None
) -> Iterator[RunningCoordinator]:
    """Start it, hand it out when it listens, stop it at the end. What it raised is raised here."""
    ready = threading.Event()
    listening: list[Listening] = []
    loop = asyncio.new_event_loop()

    def on_ready(where: Listening) -> None:
        listening.append(where)
        ready.set()

    async def main() -> None:
        await serve(ServerOptions(data=data, port=port, max_frames=max_frames, cache_limit=cache_limit), on_ready)

    task = loop.create_task(main())
    task.add_done_callback(lambda _: ready.set())

    def run() -> None:
        try:
            loop.run_until_complete(asyncio.wait([task]))
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="coordinator")
    thread.start()
    ready.wait()
    try:
        if listening:
            yield RunningCoordinator(listening[0].url, data)
    finally:
        if not task.done():
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
    if not task.cancelled():
        task.result()
