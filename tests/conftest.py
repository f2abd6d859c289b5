"""Fixtures that many tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .coordinators import RunningCoordinator, running_coordinator


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[RunningCoordinator]:
    """A real coordinator on 127.0.0.1, in this process, with an empty data folder."""
    with running_coordinator(tmp_path / "coordinator") as running:
        yield running
