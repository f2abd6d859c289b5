"""Programs that can be given as ``--blender``."""

import shlex
import sys
from pathlib import Path

FAKE = Path(__file__).with_name("renderer.py")


def program(path: Path, line: str) -> str:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return str(path)


def fake_blender(folder: Path, *options: str, wrapped: bool = False) -> str:
    """A fake Blender with these options; ``wrapped`` keeps the shell around it, as wrapper scripts do."""
    command = shlex.join([sys.executable, str(FAKE), *options])
    return program(folder / "blender", f'{command} "$@"; exit 0' if wrapped else f'exec {command} "$@"')
