"""This computer as one more slave, while an animation that it sent renders."""

from __future__ import annotations

from . import preferences, processes


class LocalSlave:
    """Started without waiting, on the main thread; ``stop`` waits until it has said goodbye."""

    def __init__(self, line: str) -> None:
        self._child = processes.slave(preferences.read().slave_arguments, address=line)

    def stop(self) -> None:
        self._child.stop()
