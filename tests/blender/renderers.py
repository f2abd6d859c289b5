"""A renderer as its agent sees it: a process, commands in, messages out."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from attrs import define, field

MAIN = Path(__file__).parents[2] / "blender_addon" / "renderer" / "__main__.py"
PREFIX = "netrender:"


@define(eq=False)
class RendererProcess:
    """Starts a renderer, says commands to it, and ends it with the ``with`` block."""

    errors: Path  # where its stderr goes
    command: list[str] = field(factory=lambda: [sys.executable, str(MAIN)])
    environment: dict[str, str] = field(factory=dict)  # added to ours
    noise: list[str] = field(factory=list)  # lines on stdout that are no messages
    process: subprocess.Popen[str] = field(init=False)
    ready: dict[str, Any] = field(init=False)
    _messages: SimpleQueue[dict[str, Any] | None] = field(init=False, factory=SimpleQueue)

    def __enter__(self) -> Self:
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | self.environment,
            )
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = self.next()
        assert self.ready["type"] == "ready"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(PREFIX):
                self._messages.put(json.loads(line.removeprefix(PREFIX)))
            else:
                self.noise.append(line)
        self._messages.put(None)

    def next(self) -> dict[str, Any]:
        """The next message of any type."""
        try:
            message = self._messages.get(timeout=120)
        except Empty:
            message = None
        assert message is not None, f"the renderer said no more: {self.errors.read_text(errors='replace')[-2000:]}"
        return message

    def say(self, **command: Any) -> None:
        """Send a command."""
        self.say_text(json.dumps(command))

    def say_text(self, line: str) -> None:
        """Send a line as it is."""
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The next message that is not about progress."""
        while (message := self.next())["type"] == "progress":
            pass
        return message

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.say(**command)
        return self.answer()

    def open(self, blend: Path, **changes: Any) -> dict[str, Any]:
        """Open a scene as it is, but for ``changes``."""
        settings: dict[str, Any] = {
            "scene": None,
            "engine": None,
            "view_layers": [],
            "samples": None,
            "percentage": None,
            "threads": 1,
            "mapped": [],
            "inside": [],
        }
        return self.ask(do="open", blend=str(blend), **{**settings, **changes})

    def render(self, frame: int, output: Path) -> dict[str, Any]:
        """Render one frame."""
        return self.ask(do="render", frame=frame, output=str(output))

    def inspect(self, blend: Path, **changes: Any) -> dict[str, Any]:
        """Look into a .blend."""
        return self.ask(do="inspect", blend=str(blend), **{"scene": None, "engine": None, "view_layers": [], **changes})
