"""A stand-in coordinator, and slaves that end with their test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from coordinator.slave import SlaveOptions, run
from coordinator.slave.api import Api

from ..fakes.blenders import fake_blender
from .standin import StandIn

SLAVE = "0123456789abcdef" * 2


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    standin = StandIn()
    await standin.start()
    yield standin
    await standin.stop()


@pytest.fixture
async def api(standin: StandIn) -> AsyncIterator[Api]:
    """As a slave has it that was welcomed."""
    api = Api(standin.url, SLAVE)
    api.online.set()
    yield api
    await api.close()


class RunningSlave:
    def __init__(self, options: SlaveOptions) -> None:
        self.options = options
        self.task = asyncio.create_task(run(options), name="slave")

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


StartSlave = Callable[..., RunningSlave]


@pytest.fixture
async def slave(standin: StandIn, tmp_path: Path) -> AsyncIterator[StartSlave]:
    """Starts a slave whose renderer is a fake with the given options."""
    running: list[RunningSlave] = []

    def start(
        *fake: str, trace: Path | None = None, token: str | None = None, tags: tuple[str, ...] = ()
    ) -> RunningSlave:
        options = SlaveOptions(
            url=standin.url,
            token=token,
            name="anna",
            tags=tags,
            blender=fake_blender(tmp_path, *fake),
            data=tmp_path / "slave",
            trace=trace,
        )
        running.append(RunningSlave(options))
        return running[-1]

    yield start
    for one in running:
        if not one.task.done():
            await one.stop()
