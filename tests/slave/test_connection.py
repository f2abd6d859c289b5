"""The WebSocket: lost and found, refused, or at a wrong address."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from coordinator import __version__
from coordinator.constants import PROTOCOL_VERSION
from coordinator.errors import NotFoundError, UnauthorizedError, UsageError, VersionMismatchError
from coordinator.protocol import messages
from coordinator.slave.api import Api
from coordinator.slave.connection import Connection

from .conftest import SLAVE
from .standin import StandIn

PROGRESS = [messages.Progress(lease=1, frame=1, sample=n, samples=9) for n in range(9)]


class Connected:
    """A connection, and what it has handed over."""

    def __init__(self, api: Api) -> None:
        self.got: asyncio.Queue[messages.Work | messages.Cancel] = asyncio.Queue()
        self.welcomes = 0
        self.connection = Connection(api, hello=self._hello, on_welcome=self._welcome, on_message=self.got.put_nowait)
        self.task = asyncio.create_task(self.connection.run())

    def _hello(self) -> messages.Hello:
        return messages.Hello(
            protocol=PROTOCOL_VERSION,
            slave=SLAVE,
            name="anna",
            host="here",
            blender="4.5.1",
            threads=1,
            memory=self.welcomes,
        )

    def _welcome(self) -> None:
        self.welcomes += 1


@pytest.fixture
async def connected(standin: StandIn) -> AsyncIterator[Connected]:
    api = Api(standin.url, SLAVE)
    connected = Connected(api)
    yield connected
    connected.task.cancel()
    await asyncio.wait({connected.task})
    await api.close()


async def test_says_hello_and_hands_over_work(standin: StandIn, connected: Connected) -> None:
    job = standin.job("1-3")
    await standin.give(1, job, 1, 2)
    assert await connected.got.get() == messages.Work(lease=1, job=job.id, frames=(1, 2))
    connected.connection.send(messages.Started(lease=1, frame=1))
    await standin.has(messages.Started(lease=1, frame=1))
    (hello,) = standin.hellos
    assert (hello.slave, hello.name, hello.memory) == (SLAVE, "anna", 0)


async def test_comes_back_with_a_new_hello(standin: StandIn, connected: Connected) -> None:
    await standin.until(lambda: len(standin.hellos) == 1)
    await standin.drop_connections()
    await standin.until(lambda: len(standin.hellos) == 2)
    await standin.stop()
    await standin.start()
    await standin.until(lambda: len(standin.hellos) == 3)
    assert [hello.memory for hello in standin.hellos] == [0, 1, 2]


async def test_waits_for_a_coordinator_that_is_not_there_yet(
    standin: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    await standin.stop()
    api = Api(standin.url, SLAVE)
    caplog.set_level(logging.WARNING)
    told = asyncio.Event()
    logger = logging.getLogger("coordinator.slave.connection")
    handler = logging.Handler()
    handler.emit = lambda record: told.set()  # type: ignore[method-assign]
    logger.addHandler(handler)
    connected = Connected(api)
    try:
        await told.wait()
        await standin.start()
        await standin.until(lambda: len(standin.hellos) == 1)
        connected.connection.close()
        await connected.task
    finally:
        logger.removeHandler(handler)
        await api.close()
    (line,) = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert f"no coordinator at {standin.url}" in line


async def test_a_message_that_the_coordinator_refuses_does_not_end_the_slave(
    standin: StandIn, connected: Connected
) -> None:
    """It is a defect in one message; the next connection says hello anew."""
    await standin.until(lambda: len(standin.hellos) == 1)
    await standin.send(messages.Refused(code="bad-request", message="sample: expected int, got 1.5"))
    await standin.until(lambda: len(standin.hellos) == 2)
    assert not connected.task.done()


async def test_a_refusal_ends_it(standin: StandIn) -> None:
    standin.refusal = messages.Refused(code="version-mismatch", message="the coordinator speaks 2, the slave 1")
    api = Api(standin.url, SLAVE)
    with pytest.raises(VersionMismatchError, match="speaks 2, the slave 1") as caught:
        await Connected(api).task
    # An older coordinator does not know the slave's Netrender.
    assert f"this slave (Netrender {__version__}, protocol {PROTOCOL_VERSION})" in caught.value.message
    await api.close()


async def test_a_welcome_in_another_protocol_ends_it(standin: StandIn) -> None:
    standin.protocol = PROTOCOL_VERSION - 1
    api = Api(standin.url, SLAVE)
    connected = Connected(api)
    with pytest.raises(VersionMismatchError, match="update Netrender on the coordinator's machine") as caught:
        await connected.task
    assert connected.welcomes == 0
    assert f"this slave (Netrender {__version__}) speaks protocol {PROTOCOL_VERSION}" in caught.value.message
    await api.close()


@pytest.mark.parametrize(
    "status, kind, text",
    [(401, UnauthorizedError, "pairing line"), (404, NotFoundError, "is no Netrender coordinator")],
)
async def test_an_http_error_ends_it(standin: StandIn, status: int, kind: type[Exception], text: str) -> None:
    await standin.stop()

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", standin.port, reuse_address=True).start()
    api = Api(standin.url, SLAVE)
    with pytest.raises(kind, match=text):
        await Connected(api).task
    await api.close()
    await runner.cleanup()


async def test_an_address_that_is_none() -> None:
    api = Api("http://", SLAVE)
    with pytest.raises(UsageError, match="is no address"):
        await Connected(api).task
    await api.close()


async def test_what_waits_of_progress_is_only_the_latest(standin: StandIn, connected: Connected) -> None:
    await standin.until(lambda: len(standin.hellos) == 1)
    await standin.give(1, standin.job("1"), 1)
    await connected.got.get()
    for progress in PROGRESS:
        connected.connection.send(progress)
    end = messages.Started(lease=1, frame=2)
    connected.connection.send(end)
    await standin.has(end)
    assert standin.said[1:] == [PROGRESS[-1], end]


async def test_close_sends_what_is_left(standin: StandIn, connected: Connected) -> None:
    await standin.give(1, standin.job("1"), 1)
    await connected.got.get()
    connected.connection.send(messages.Goodbye(reason="done"))
    connected.connection.close()
    await connected.task
    await standin.has(messages.Goodbye(reason="done"))
