"""A hundred thousand random messages that can be decoded, numbers at their limits: honest slaves go on."""

import asyncio
import logging
import random
from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import aiohttp
import attrs
import pytest
from attrs import evolve

from coordinator.errors import NetrenderError
from coordinator.protocol import codec, messages
from coordinator.protocol.states import JobState
from coordinator.server import streams

from ..coordinators import RunningCoordinator
from ..slaves import FakeSlave
from ..submissions import job_info, manifest, submit

MESSAGES = 100_000
TOGETHER = 250  # in one array
HOSTILE = ("mallory", "oscar", "trudy")
INTEGERS = [0, 1, -1, 2, 3, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**70]
FLOATS = [0.0, -0.0, 5e-324, 1e-9, 0.5, 1.0, 1e7, 1e300, 1.7976931348623157e308]
TEXTS = [
    "",
    "a",
    "mallory",
    "0" * 32,
    "../../etc/passwd",
    "\u202e\U0001f600",
    "line\nline",
    "%s %d {}",
    "x" * 5000,
    "4.5.15",
]
SPOKEN = [kind for kind in get_args(messages.FromSlave) if kind not in (messages.Hello, messages.Goodbye)]


class Fuzzer:
    """Makes random values of the protocol's classes, by the types of their fields."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.known: dict[str, list[int]] = {"lease": [1], "frame": [1]}  # that there are, or were

    def messages(self) -> Iterator[str]:
        """Encoded messages, each of which the coordinator can decode."""
        while True:
            text = codec.dumps(self.value(self.random.choice(SPOKEN), ""), messages.FromSlave)
            try:
                codec.loads(text, messages.FromSlave, union=True)
            except NetrenderError:
                continue  # it is refused where it enters: test_codec.py has these
            yield text

    def field(self, field: "attrs.Attribute[Any]", kind: Any) -> Any:
        """A value that its own validator takes: all fields right by chance would take for ever."""
        while True:
            found = self.value(kind, field.name)
            try:
                if field.validator is not None:
                    field.validator(None, field, found)
            except (ValueError, TypeError):
                continue
            return found

    def value(self, kind: Any, name: str) -> Any:
        """A value that may be in a field of this type and name, right or not."""
        if attrs.has(kind):
            while True:
                hints = get_type_hints(kind)
                try:
                    return kind(**{field.name: self.field(field, hints[field.name]) for field in attrs.fields(kind)})
                except NetrenderError:
                    continue
                except (ValueError, TypeError):  # what attrs' own validators raise
                    continue
        if get_origin(kind) in (Union, UnionType):
            return self.value(self.random.choice(get_args(kind)), name)
        if get_origin(kind) is tuple:
            return tuple(self.value(get_args(kind)[0], name) for _ in range(self.random.randrange(4)))
        if get_origin(kind) is dict:
            return {}
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self.random.choice(list(kind))
        if kind is NoneType:
            return None
        if kind is int and self.random.random() < 0.8:
            return self.random.choice(self.known.get(name, INTEGERS))
        values: dict[Any, list[Any]] = {bool: [True, False], int: INTEGERS, float: FLOATS, str: TEXTS}
        return self.random.choice(values[kind])


async def storm(coordinator: RunningCoordinator, name: str, fuzzer: Fuzzer, count: int) -> None:
    """Say so many messages, as a slave that says hello as often as it is thrown out."""
    said, spoken = 0, fuzzer.messages()
    while said < count:
        async with FakeSlave(coordinator.url, name) as slave:
            hearing = asyncio.create_task(hear(slave, fuzzer))
            try:
                while said < count and not hearing.done():
                    texts = [next(spoken) for _ in range(TOGETHER)]
                    await slave.socket.send_str("[" + ",".join(texts) + "]")
                    said += TOGETHER
                    await asyncio.sleep(0)  # the honest one's turn
            except ConnectionError:
                pass  # it was refused
            finally:
                hearing.cancel()


async def hear(slave: FakeSlave, fuzzer: Fuzzer) -> None:
    """Learn which leases and frames there are; end with the connection."""
    while (message := await slave.next(patience=None)) is not None:
        if isinstance(message, messages.Work):
            fuzzer.known["lease"] = [*fuzzer.known["lease"], message.lease][-20:]
            fuzzer.known["frame"] = [*fuzzer.known["frame"], *message.frames][-20:]
        elif isinstance(message, messages.Resync):
            await slave.send(slave.hello)


async def render_all(slave: FakeSlave, frames: int) -> None:
    for _ in range(frames):
        await slave.render(await slave.work())


async def test_honest_slaves_go_on(
    coordinator: RunningCoordinator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    # Anna answers pings only while she reads, and not while she delivers to a coordinator that has much to do.
    monkeypatch.setattr(streams, "PING_INTERVAL", 120.0)
    logging.getLogger("coordinator.server").setLevel(logging.ERROR)  # each failed frame would be a line
    try:
        await _honest_slaves_go_on(coordinator)
    finally:
        logging.getLogger("coordinator.server").setLevel(logging.NOTSET)
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def _honest_slaves_go_on(coordinator: RunningCoordinator) -> None:
    fuzzer = Fuzzer(seed=20)
    async with aiohttp.ClientSession(coordinator.url) as http:
        for number, chunk in enumerate((0, 1, 7)):
            theirs = manifest(
                "1-50000", chunk=chunk, name=f"theirs {number}", discard=True, attempts=100, only_slaves=HOSTILE
            )
            await submit(http, theirs)
        before = await submit(http, manifest("1-40", chunk=1, name="meanwhile", only_slaves=("anna",)))
        async with FakeSlave(coordinator.url, "anna") as anna:
            async with asyncio.TaskGroup() as group:
                group.create_task(render_all(anna, 40))
                for name in HOSTILE:
                    group.create_task(storm(coordinator, name, fuzzer, MESSAGES // len(HOSTILE)))
            assert (await job_info(http, before)).state is JobState.FINISHED
            after = await submit(http, manifest("1-4", chunk=1, name="afterwards", only_slaves=("anna",)))
            await render_all(anna, 4)
            assert (await job_info(http, after)).state is JobState.FINISHED


async def test_hello_in_every_form_that_can_be_decoded(coordinator: RunningCoordinator) -> None:
    """A slave that lies about itself harms nobody but itself."""
    fuzzer = Fuzzer(seed=7)
    async with aiohttp.ClientSession(coordinator.url) as http:
        for _ in range(200):
            slave = FakeSlave(coordinator.url, "mallory")
            hello = fuzzer.value(messages.Hello, "")
            slave.hello = evolve(hello, protocol=slave.hello.protocol)
            await slave.connect()
            await slave.send(slave.hello)
            answer = await slave.next()
            assert isinstance(answer, messages.Welcome) or (
                isinstance(answer, messages.Refused) and answer.code == "bad-request"
            ), (hello, answer)
            await slave.close()
        async with http.get("/api/slaves") as response:
            assert response.status == 200
        job = await submit(http, manifest("1", chunk=1))
        async with FakeSlave(coordinator.url, "anna") as anna:
            await render_all(anna, 1)
        assert (await job_info(http, job)).state is JobState.FINISHED
