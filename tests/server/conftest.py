"""Fixtures for tests that talk HTTP to the coordinator."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from ..coordinators import RunningCoordinator


@pytest.fixture
async def http(coordinator: RunningCoordinator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(coordinator.url) as session:
        yield session
