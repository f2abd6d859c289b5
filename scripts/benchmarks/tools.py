"""The clock and the tables of the benchmarks."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent.parent
NETRENDER = [sys.executable, "-m", "coordinator"]
REFERENCE = [sys.executable, str(ROOT / "tests" / "reference.py")]


def timed(command: Sequence[str]) -> float:
    """Wall-clock seconds of a command that must succeed."""
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return seconds


def rendered(blend: Path, output: Path) -> float:
    """Seconds from the start of `netrender render` until it says that it has all frames; its farm ends after that."""
    command = [*NETRENDER, "render", str(blend), "--output", str(output)]
    begin = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        finished = any(" finished: " in line for line in process.stdout)
        seconds = time.perf_counter() - begin
        process.stdout.read()
    if process.returncode or not finished:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return seconds


def submitted(url: str, blend: Path, output: Path) -> float:
    """Seconds from the start of `netrender submit` to the last gathered frame."""
    return timed([*NETRENDER, "submit", str(blend), "--coordinator", url, "--wait", "--output", str(output)])


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)
