"""The coordinator's event stream, for tests that wait for something to happen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
from attrs import frozen

from coordinator.protocol import codec, messages

from .slaves import PATIENCE

E = TypeVar("E", bound=messages.Event)


@frozen
class Watching:
    _lines: aiohttp.StreamReader

    async def next(self) -> messages.Event | None:
        """The next event; None at the end of the stream."""
        async with asyncio.timeout(PATIENCE):
            while line := await self._lines.readline():
                if line.startswith(b"data: "):
                    event: messages.Event = codec.loads(line.removeprefix(b"data: "), messages.Event, union=True)
                    return event
        return None

    async def until(self, kind: type[E], **fields: Any) -> E:
        """The next event of this kind that has these values."""
        while (event := await self.next()) is not None:
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
                return event
        raise AssertionError(f"the stream ended before {kind.__name__} {fields}")


@asynccontextmanager
async def watching(http: aiohttp.ClientSession, job: str | None = None) -> AsyncIterator[Watching]:
    """From here on nothing is missed."""
    async with http.get("/api/events", params={} if job is None else {"job": job}) as response:
        assert response.status == 200 and response.content_type == "text/event-stream"
        yield Watching(response.content)
