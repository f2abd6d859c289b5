"""This computer as one more slave, while an animation that it sent renders."""

from __future__ import annotations

import os

from . import farm, processes


class LocalSlave:
    """Started without waiting; ``stop`` waits until it has said goodbye."""

    def __init__(self, line: str) -> None:
        variable = farm.config.COORDINATOR_VARIABLE
        before = os.environ.get(variable)
        # Not as an argument: other users of this computer can read those, and the line may have the farm's key.
        os.environ[variable] = line
        try:
            self._child = processes.slave()
        finally:
            if before is None:
                del os.environ[variable]
            else:
                os.environ[variable] = before

    def stop(self) -> None:
        self._child.stop()
