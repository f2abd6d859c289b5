"""What a command prints: results on stdout, progress and remarks on stderr; JSON where a program reads."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import rich.box
from rich.console import Console
from rich.table import Table

from ..protocol import codec
from ..protocol.limits import printable
from .plain import json_line, plain, spelled


def stdout() -> Console:
    """Wide where nobody looks: a table that is piped must not be cut."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=1000)


def show(text: str) -> None:
    """A result in words."""
    print(plain(text), flush=True)


def say(line: str) -> None:
    """A remark, which is not the result."""
    print(plain(f"netrender: {line}"), file=sys.stderr, flush=True)


def document(value: Any) -> None:
    """One JSON document."""
    json_line(codec.dumps(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; when piped, columns separated by spaces under one line of headings."""
    made = Table(box=rich.box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
    for column in columns:
        made.add_column(column, no_wrap=not sys.stdout.isatty())
    for row in rows:
        made.add_row(*(printable(cell, spelled) for cell in row))
    console = stdout()
    with console.capture() as captured:
        console.print(made)
    print(captured.get(), end="", flush=True)  # rich would end the program itself if nobody reads


def when(seconds: float | None) -> str:
    """A point in time, as this machine's clock shows it."""
    if seconds is None:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OSError, ValueError, OverflowError):  # Windows' calendar ends in the year 3000
        return f"{seconds:.0f} s after 1970"


def duration(seconds: float) -> str:
    """``42.1 s``, ``3:07`` (minutes), ``2:03:07`` (hours)."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def count(number: int, what: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
