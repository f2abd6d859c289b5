"""A Blender with a window on a virtual screen, which a test can ask what it sees."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from attrs import define, field

from ..addon.blenders import Blender
from .screen import SIZE, Screen

OBSERVER = Path(__file__).with_name("observer.py")
START = 240  # seconds until the window must be there: a software renderer on a busy machine takes its time
PATIENCE = 90  # seconds for anything that is waited for
LOOK = 0.2  # seconds between two looks
REST = 0.15  # seconds between two looks at whether Blender has time for us again


@define(eq=False)
class BlenderWindow:
    screen: Screen
    process: subprocess.Popen[str]
    log: list[str] = field(factory=list)
    _answers: SimpleQueue[str | None] = field(factory=SimpleQueue)

    def ask(self, expression: str, timeout: float = PATIENCE) -> Any:
        """The value of an expression inside this Blender."""
        assert self.process.stdin is not None
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        try:
            line = self._answers.get(timeout=timeout)
        except Empty:
            line = None
        assert line is not None, f"no answer to {expression}; {self.stacks()}"
        answer = json.loads(line)
        assert "error" not in answer, f"{expression}:\n{answer['error']}"
        return answer["value"]

    def wait(self, expression: str, patience: float = PATIENCE) -> Any:
        """Ask until the value is true; returns it."""
        end = time.monotonic() + patience
        while not (value := self.ask(expression)):
            assert time.monotonic() < end, f"still not: {expression}; {self.stacks()}"
            time.sleep(LOOK)
        return value

    def stacks(self) -> str:
        """What it printed last, and where its Python threads are now."""
        self.process.send_signal(signal.SIGUSR1)
        time.sleep(1.0)
        return "it printed:\n" + "\n".join(self.log[-60:])

    def rest(self) -> None:
        """As a person does: until Blender has taken note and drawn."""
        for _ in range(3):
            time.sleep(REST)
            self.ask("True")

    def read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                if line.startswith("told:"):
                    self._answers.put(line.removeprefix("told:"))
                else:
                    self.log.append(line.rstrip())
        self._answers.put(None)


@contextmanager
def blender_window(program: str, screen: Screen, blender: Blender, *arguments: str | Path) -> Iterator[BlenderWindow]:
    """Start it; it is there when it answers. It ends with the block."""
    geometry = ["--window-geometry", "0", "0", *map(str, SIZE)]
    process = subprocess.Popen(
        [program, *geometry, *map(str, arguments), "-P", str(OBSERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=blender.environment | screen.environment,
    )
    window = BlenderWindow(screen, process)
    thread = threading.Thread(target=window.read, name="blender's output", daemon=True)
    thread.start()
    try:
        window.ask("True", START)
        yield window
    finally:
        process.kill()  # also while it renders, when it would not hear of the end of its stdin
        process.wait()
        thread.join()
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
