"""Two versions that do not understand each other: real processes, of which one has other version numbers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator import __version__
from coordinator.constants import PROTOCOL_VERSION

from ..fakes.blenders import fake_blender
from .commands import ROOT

OTHERS = [("0.0.9", PROTOCOL_VERSION - 1), ("9.9.0", PROTOCOL_VERSION + 1)]


def command(netrender: str, protocol: int, *arguments: str | Path) -> list[str]:
    """A `netrender` command of a version that has these numbers, and else is this one."""
    lines = [
        "import sys, coordinator, coordinator.constants",
        f"coordinator.__version__, coordinator.constants.PROTOCOL_VERSION = {netrender!r}, {protocol}",
        "from coordinator.cli import main",
        "sys.exit(main(sys.argv[1:]))",
    ]
    return [sys.executable, "-c", "\n".join(lines), *map(str, arguments)]


def run(netrender: str, protocol: int, *arguments: str | Path) -> str:
    """The error that it ends with."""
    line = command(netrender, protocol, *arguments)
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 2, done.stderr
    return done.stderr.partition("netrender: error: ")[2]


@contextmanager
def coordinator(netrender: str, protocol: int, folder: Path) -> Iterator[str]:
    """Its address; at the end its log is in the folder."""
    options = ("--port", "0", "--data", folder / "data", "--no-announce", "--json", "--exit-with-stdin")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command(netrender, protocol, "coordinator", *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
        with process:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
            process.communicate(timeout=30)


def names_both(text: str, remedy: str, netrender: str, protocol: int) -> bool:
    """Whether the text has what each side is, and what to do."""
    ours, theirs = f"(Netrender {__version__})", f"(Netrender {netrender})"
    numbers = f"protocol {PROTOCOL_VERSION}" in text and f"protocol {protocol}" in text
    return ours in text and theirs in text and numbers and remedy in text


@pytest.mark.parametrize(("netrender", "protocol"), OTHERS)
def test_a_slave_of_another_version(netrender: str, protocol: int, tmp_path: Path) -> None:
    slave = ("slave", "--data", tmp_path / "slave", "--blender", fake_blender(tmp_path))
    with coordinator(__version__, PROTOCOL_VERSION, tmp_path) as url:
        told = run(netrender, protocol, *slave, "--coordinator", url)
    older = "the slave's" if protocol < PROTOCOL_VERSION else "the coordinator's"
    assert names_both(told, f"update Netrender on {older} machine", netrender, protocol), told
    assert url in told
    log = (tmp_path / "log").read_text()
    assert names_both(log, f"update Netrender on {older} machine", netrender, protocol), log


@pytest.mark.parametrize(("netrender", "protocol"), OTHERS)
def test_a_client_of_another_version(netrender: str, protocol: int, tmp_path: Path) -> None:
    with coordinator(__version__, PROTOCOL_VERSION, tmp_path) as url:
        told = run(netrender, protocol, "jobs", "--coordinator", url)
    older = "here" if protocol < PROTOCOL_VERSION else "on the coordinator's machine"
    assert names_both(told, f"update Netrender {older}", netrender, protocol), told
    assert url in told
