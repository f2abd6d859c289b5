"""Fixtures that many tests share."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from .coordinators import RunningCoordinator, running_coordinator

# A shell that starts us in the background has us ignore Ctrl-C, and our processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine that is busy makes any example slow once.
settings.register_profile("netrender", deadline=None)
settings.load_profile("netrender")


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[RunningCoordinator]:
    """A real coordinator on 127.0.0.1, in this process, with an empty data folder."""
    with running_coordinator(tmp_path / "coordinator") as running:
        yield running
