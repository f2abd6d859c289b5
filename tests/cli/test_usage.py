"""Wrong arguments and things that are not there: one line, exit code 2, nothing else."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator import __version__
from coordinator.cli import main

from ..coordinators import RunningCoordinator
from .commands import COMMAND, ROOT, error, netrender


def test_help_and_version_name_every_command() -> None:
    text = netrender("--help").stdout
    commands = ("render", "coordinator", "slave", "submit", "gather", "jobs", "job", "slaves", "log")
    for command in (*commands, "cancel", "pause", "resume", "reset"):
        assert f"\n    {command}" in text
    assert netrender("--version").stdout.strip() == f"netrender {__version__}"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", "required: COMMAND"),
        ("fly", "invalid choice: 'fly'"),
        ("submit", "SCENE.blend"),
        ("jobs --colour", "--colour; see 'netrender"),
        ("jobs --coordinator ftp://x", "HOST:PORT"),
        ("submit s.blend --samples 0", "argument --samples: 0 is not between 1 and"),
        ("submit s.blend --percentage ten", "argument --percentage: 'ten' is not a whole number"),
        ("submit s.blend --priority 11", "argument --priority: 11 is not between 1 and 10"),
        ("submit s.blend --chunk some", "argument --chunk: 'some'"),
        ("submit s.blend --frames 9-1", "runs backwards; write 1-9"),
        ("render s.blend --frames ,", "the range is empty"),
        (r"submit s.blend --results-to P:\x\..\y", "has the part '..'"),
        ("slave --results-folder renders", "path map 'renders': 'renders' is not an absolute path"),
        ("render s.blend --frames 1-1000000", "1000000 frames are more than a job may have"),
        ("gather 1234 --output out --frames x", "'x' is not a frame"),
        ("gather 1234", "--output"),
        ("coordinator --port 70000", "argument --port: 70000 is not between 0 and 65535"),
        ("render /nowhere/s.blend", "/nowhere/s.blend does not exist"),
    ],
)
def test_wrong_arguments(arguments: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("netrender: error: ")
    assert said.err.count("\n") == 1
    assert text in said.err


def test_no_coordinator(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody else gets it, and nobody listens
        url = f"127.0.0.1:{taken.getsockname()[1]}"
        for command in (("jobs",), ("gather", "1234", "--output", str(tmp_path)), ("submit", "s.blend")):
            assert error(*command, "--coordinator", url).startswith(f"no coordinator at http://{url}: start one with")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port}" in error("coordinator", "--port", str(port), "--data", tmp_path)


def test_no_blender(tmp_path: Path) -> None:
    (tmp_path / "s.blend").write_bytes(b"BLENDER-v405 ENDB")
    assert "no Blender: '/no/blender' does not exist" in error(
        "render", tmp_path / "s.blend", "--blender", "/no/blender", "--output", tmp_path / "out"
    )


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "s.blend").write_bytes(b"BLENDER-v405 ENDB")
    (tmp_path / "out").write_text("")
    assert "choose another with --output" in error(
        "render", tmp_path / "s.blend", "--output", tmp_path / "out" / "frames", code=1
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_scene_whose_name_is_no_text(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    blend = tmp_path / os.fsdecode(b"\xff.blend")
    blend.write_bytes(b"BLENDER-v405 ENDB")
    assert "its name is not text" in error("submit", blend, "--coordinator", coordinator.url)
    assert "its name is not text" in error("render", blend, "--output", tmp_path / "out")


def test_a_folder_is_no_archive(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    assert "is a folder or a device" in error("restore", tmp_path, "--coordinator", coordinator.url)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a file that is always full")
def test_a_full_disk_that_the_output_goes_to_is_an_error(coordinator: RunningCoordinator) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "jobs", "--coordinator", coordinator.url]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (
        1,
        "netrender: error: no space left on the disk: make room, and try again\n",
    )
