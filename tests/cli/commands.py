"""Runs ``netrender`` commands as a person does, each a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "coordinator"]


def netrender(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which has to have this exit code."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def start(*arguments: str | Path) -> "subprocess.Popen[str]":
    """A command that goes on; the caller ends it."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def error(*arguments: str | Path, code: int = 2) -> str:
    """What a command that fails says: exactly one error."""
    done = netrender(*arguments, code=code)
    assert done.stdout == ""
    assert done.stderr.startswith("netrender: error: "), done.stderr
    return done.stderr.removeprefix("netrender: error: ").rstrip()
