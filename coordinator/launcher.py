"""How this program starts ``netrender`` as a child, and ends it again."""

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from attrs import frozen

from .constants import STOP_GRACE

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class Launcher:
    """The command that stands for ``netrender`` where we run: in a plain Python, or inside a Blender."""

    command: tuple[str, ...]  # the arguments of netrender follow it
    path: tuple[str, ...] = ()  # where the child's Python looks for modules first
    blender: str | None = None  # what renders unless --blender names another; None for the bpy package

    @classmethod
    def default(cls) -> "Launcher":
        """This Python, with this package as it is installed."""
        package = __package__ or "coordinator"
        root = Path(__file__).parents[package.count(".") + 1]
        return cls(command=(sys.executable, "-m", package), path=(str(root),))

    def start(
        self,
        arguments: Sequence[str],
        *,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a coordinator or a slave. It ends by itself when its stdin does, so that it never outlives us.

        ``environment`` is for what other users of this machine must not read: they can read arguments.
        """
        path = os.pathsep.join(filter(None, [*self.path, os.environ.get("PYTHONPATH")]))
        return subprocess.Popen(
            [*self.command, *arguments, "--exit-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **(environment or {})},
            **_own_group(),
        )


def release(process: subprocess.Popen[bytes]) -> None:
    """Let its stdin end."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()


def stop(process: subprocess.Popen[bytes], name: str) -> None:
    """Wait until it has ended; terminate and kill it if it does not."""
    release(process)
    for harder in (process.terminate, process.kill):
        try:
            process.wait(STOP_GRACE)
            break
        except subprocess.TimeoutExpired:
            logger.warning("%s does not end", name)
            harder()
    process.wait()


def _own_group() -> dict[str, Any]:
    """Ctrl-C in the terminal is for us, who stop the children in good order."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
