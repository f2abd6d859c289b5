"""``blender -b -c netrender slave|coordinator|submit|render ...``: the arguments of the ``netrender`` command."""

from __future__ import annotations

import signal
import sys
from typing import Any

from . import farm, processes

NAME = "netrender"

_handle: Any = None


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    # Blender takes Ctrl-C for itself, and then waits for the end of what runs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return farm.cli.main(arguments, processes.launcher())
    except SystemExit as end:  # --help, --version
        return end.code if isinstance(end.code, int) else 0
    finally:
        sys.stdout.flush()


def register() -> None:
    import bpy

    global _handle
    utils: Any = bpy.utils  # the stubs have it return nothing
    _handle = utils.register_cli_command(NAME, run)


def unregister() -> None:
    import bpy

    global _handle
    bpy.utils.unregister_cli_command(_handle)
    _handle = None
