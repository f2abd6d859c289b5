"""A slave without a renderer: it says and sends what a test tells it to, over the real protocol."""

import asyncio
import hashlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from attrs import evolve, frozen

from coordinator.constants import PROTOCOL_VERSION
from coordinator.protocol import codec, messages

PATIENCE = 30.0  # seconds; a message that did not come by then will not come

M = TypeVar("M", bound=messages.ToSlave)


@frozen
class Answer:
    """What came back over HTTP. ``code`` and ``message`` of an error, else empty."""

    status: int
    code: str = ""
    message: str = ""


def slave_id(name: str) -> str:
    """The id of the slave of this name: the same in every test."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def held(work: messages.Work) -> messages.Held:
    """All of it."""
    return messages.Held(lease=work.lease, frames=work.frames)


class FakeSlave:
    """``async with FakeSlave(url) as slave:`` has said hello and was welcomed; the end drops the connection."""

    def __init__(
        self,
        url: str,
        name: str = "anna",
        *,
        blender: str = "4.5.15",
        features: tuple[str, ...] = (),
        holding: tuple[messages.Held, ...] = (),
        token: str = "",
    ) -> None:
        self.hello = messages.Hello(
            protocol=PROTOCOL_VERSION,
            slave=slave_id(name),
            name=name,
            host=f"{name}.local",
            blender=blender,
            threads=2,
            features=features,
            holding=holding,
        )
        self._url = url
        self._more: list[messages.ToSlave] = []  # of an array: not yet taken
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    @property
    def id(self) -> str:
        return self.hello.slave

    async def __aenter__(self) -> Self:
        await self.connect()
        await self.send(self.hello)
        self.welcome = await self.receive(messages.Welcome)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self, *, pongs: bool = True) -> None:
        """Open the WebSocket, and say nothing yet; without ``pongs`` not even that the connection stands."""
        self.session = aiohttp.ClientSession(self._url, headers=self._headers)
        try:
            self.socket = await self.session.ws_connect("/api/slave", autoping=pongs)
        except BaseException:
            await self.session.close()
            raise

    def tear(self) -> None:
        """End the connection as a killed process or a pulled cable does: without a word."""
        connection = self.socket._response.connection
        assert connection is not None and connection.transport is not None
        connection.transport.abort()

    async def close(self) -> None:
        await self.socket.close()
        await self.session.close()

    async def send(self, message: messages.FromSlave) -> None:
        await self.socket.send_str(codec.dumps(message, messages.FromSlave))

    async def next(self, patience: float | None = PATIENCE) -> messages.ToSlave | None:
        """The next message, also of an array; None if the coordinator closed the connection."""
        if self._more:
            return self._more.pop(0)
        async with asyncio.timeout(patience):
            frame = await self.socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            return None
        first, *self._more = codec.loads_each(frame.data, messages.ToSlave)
        message: messages.ToSlave = first
        return message

    async def receive(self, kind: type[M]) -> M:
        """The next message, which has to be of this kind."""
        message = await self.next()
        assert isinstance(message, kind), f"{kind.__name__} was to come, not {message}"
        return message

    async def resync(self, *holding: messages.Held) -> None:
        """Wait until the coordinator asks what this slave holds, and say it."""
        await self.receive(messages.Resync)
        await self.send(evolve(self.hello, holding=holding))

    async def work(self) -> messages.Work:
        return await self.receive(messages.Work)

    async def started(self, work: messages.Work, frame: int) -> None:
        await self.send(messages.Started(lease=work.lease, frame=frame))

    async def failed(self, work: messages.Work, frame: int, message: str = "it broke") -> None:
        await self.send(messages.Failed(lease=work.lease, frame=frame, message=message))

    async def put_result(
        self,
        work: messages.Work,
        frame: int,
        data: bytes | None = None,
        *,
        seconds: float = 1.5,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Deliver ``data`` (else something that only this frame has). ``headers`` replace those that are right."""
        data = result_of(work.job, frame) if data is None else data
        all_headers = {
            "Netrender-Slave": self.id,
            "Netrender-Lease": str(work.lease),
            "Netrender-Seconds": str(seconds),
            "Netrender-SHA256": hashlib.sha256(data).hexdigest(),
        } | dict(headers or {})
        url = f"/api/jobs/{work.job}/frames/{frame}/result"
        async with self.session.put(url, data=data, headers=all_headers) as response:
            return await _answer(response)

    async def post_log(self, work: messages.Work, frame: int, text: str, lease: int | None = None) -> Answer:
        headers = {"Netrender-Slave": self.id, "Netrender-Lease": str(work.lease if lease is None else lease)}
        url = f"/api/jobs/{work.job}/frames/{frame}/log"
        async with self.session.post(url, data=text.encode(), headers=headers) as response:
            return await _answer(response)

    async def render(self, work: messages.Work) -> None:
        """Start and deliver every frame of the chunk."""
        for frame in work.frames:
            await self.started(work, frame)
            answer = await self.put_result(work, frame)
            assert answer.status == 204, answer


def result_of(job: str, frame: int) -> bytes:
    return f"the pixels of frame {frame} of {job}".encode()


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    if response.status < 400:
        return Answer(response.status)
    body = await response.json()
    return Answer(response.status, body["code"], body["message"])
