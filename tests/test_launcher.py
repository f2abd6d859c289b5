"""How a child is started and ended: asked, then terminated, then killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator import launcher
from coordinator.launcher import Launcher

READY = "import os, signal, sys, time; signal.signal(signal.SIGTERM, {on_term}); print('ready', flush=True); {then}"
POLITE = READY.format(on_term="signal.SIG_DFL", then="sys.stdin.read(); sys.exit(7)")
DEAF = READY.format(on_term="signal.SIG_DFL", then="time.sleep(600)")
STUBBORN = READY.format(on_term="signal.SIG_IGN", then="time.sleep(600)")


def start(*command: str, **environment: str) -> "subprocess.Popen[bytes]":
    process = Launcher(command=(sys.executable, "-c", *command), path=("/first",)).start(
        ["slave"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, environment=environment
    )
    assert process.stdout is not None
    return process


@pytest.mark.parametrize(("program", "code"), [(POLITE, 7), (DEAF, -15), (STUBBORN, -9)])
def test_stop(program: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if code < 0:
        monkeypatch.setattr(launcher, "STOP_GRACE", 0.1)
    with start(program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        launcher.stop(process, "child")
        assert process.returncode == code


def test_what_is_secret_is_in_the_environment_and_not_in_the_arguments() -> None:
    program = "import os, sys; print(os.environ['KEY'], os.environ['PYTHONPATH'], *sys.argv[1:])"
    with start(program, KEY="secret") as child:
        assert child.stdout is not None
        key, path, *arguments = child.stdout.read().decode().split()
        assert key == "secret"
        assert path.split(os.pathsep)[0] == "/first"
        assert arguments == ["slave", "--exit-with-stdin"]


def test_ctrl_c_is_not_for_the_child() -> None:
    with start("import os; print(os.getpgid(0))") as child:
        assert child.stdout is not None
        assert int(child.stdout.read()) != os.getpgid(0)


def test_the_default_runs_this_package_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--port", "0", "--data", str(tmp_path / "data"), "--no-announce", "--json"]
    process = Launcher.default().start(["coordinator", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert b'"url"' in process.stdout.readline()
        launcher.stop(process, "coordinator")
        assert process.returncode == 0
