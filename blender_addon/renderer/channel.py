"""The agent's end and ours: commands in on stdin, replies out on a descriptor that nothing else writes to."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from typing import Any

REPLY = b"netrender:"  # what starts each line; Blender's banner comes on the same stdout, before the script runs


class Failure(Exception):
    """Something that is answered with an error message; the renderer goes on."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details  # more fields of the answer


def bad_scene(message: str) -> Failure:
    """The .blend cannot be rendered as asked."""
    return Failure("bad-scene", message)


def renderer_error(message: str) -> Failure:
    """The renderer could not do what it was told."""
    return Failure("renderer", message)


def unsuitable(message: str) -> Failure:
    """This Blender, or this machine, cannot render what others can."""
    return Failure("unsuitable", message)


def out_of_memory(message: str) -> Failure:
    """The machine has not enough memory for this."""
    return Failure("memory", message)


def no_storage(message: str, size: int = 0) -> Failure:
    """The disk does not take what is to be written, of so many bytes at least."""
    return Failure("storage", message, size=size)


class Channel:
    """Lines of JSON. Sending is safe from any thread: Blender reports samples from a thread of Cycles."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._descriptor = os.dup(1)
        os.dup2(2, 1)  # Blender prints from C as well; it all becomes the log
        self._sending = threading.Lock()
        self._commands: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen(self) -> None:
        """Begin to read commands on a thread, which runs during a render too and ends the process with its agent."""
        threading.Thread(target=self._read, name="commands", daemon=True).start()

    def _read(self) -> None:
        with os.fdopen(0, "rb", closefd=False) as stdin:
            for line in stdin:
                self._commands.put(line)
        os._exit(0)

    def receive(self) -> dict[str, Any]:
        """Wait for the next command. Raises Failure if the line is not a JSON object."""
        line = self._commands.get()
        try:
            command = json.loads(line)
        except ValueError as error:
            raise renderer_error(f"a command that is not JSON: {error}") from error
        if not isinstance(command, dict):
            raise renderer_error(f"a command that is not a JSON object: {line[:60]!r}")
        return command

    def send(self, **message: Any) -> None:
        """Write one message. If the agent is gone there is nobody to render for: the process ends."""
        data = REPLY + json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._sending:
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except BrokenPipeError:
                os._exit(0)
