"""A coordinator and a slave as children of a Blender: what they say, and that they end with it."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from blender_addon import processes
from coordinator.client import Client
from coordinator.config import Address
from coordinator.errors import NetrenderError
from coordinator.launcher import Launcher
from coordinator.protocol.messages import SlaveChanged

from ..fakes.blenders import fake_blender
from .blenders import ROOT

OPTIONS = ["--port", "0", "--no-announce"]


@pytest.fixture(autouse=True)
def stop_all() -> Iterator[None]:
    yield
    processes.unregister()
    assert not processes._running


def start_coordinator(data: Path) -> processes.Child:
    return processes.coordinator([*OPTIONS, "--data", str(data)])


def test_a_slave_renders_for_a_coordinator_until_both_are_stopped(tmp_path: Path) -> None:
    logged = threading.Event()
    ended: list[str] = []
    master = start_coordinator(tmp_path / "c")
    url = master.said.result(60)["url"]
    assert master.said.result()["pairing_line"] is None
    with Client(Address.parse(url)) as client:
        stream = client.events()
        slave = processes.slave(
            ["--data", str(tmp_path / "s"), "--blender", fake_blender(tmp_path), "--name", "ada"],
            address=url,
            on_log=lambda line: logged.set() if "connected to the coordinator" in line else None,
            on_end=ended.append,
        )
        joined = next(event for event in stream if isinstance(event, SlaveChanged))
        assert joined.slave.name == "ada"
        assert logged.wait(60)
        slave.stop()
        left = next(event for event in stream if isinstance(event, SlaveChanged) and not event.slave.connected)
        assert left.slave.name == "ada"
        stream.close()
    assert not slave.alive
    assert master.alive
    master.stop()
    assert not master.alive
    assert ended == []


def test_the_key_is_not_among_the_arguments(tmp_path: Path) -> None:
    """Every user of this computer can read those."""
    arguments = ["--blender", fake_blender(tmp_path)]
    child = processes.slave(arguments, address="netrender://127.0.0.1:1/#secret", key="secret")
    assert "secret" not in " ".join(psutil.Process(child._process.pid).cmdline())


def test_one_that_ends_by_itself_says_why(tmp_path: Path) -> None:
    master = start_coordinator(tmp_path)
    master.said.result(60)
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    second = processes.coordinator([*OPTIONS, "--data", str(tmp_path)], on_end=told.put)
    with pytest.raises(NetrenderError, match=f"folder {tmp_path} is used by another coordinator"):
        second.said.result(60)
    assert told.get(timeout=60).startswith("the coordinator ended with exit code ")


def test_unregister_ends_all_of_them(tmp_path: Path) -> None:
    children = [start_coordinator(tmp_path / name) for name in "ab"]
    for child in children:
        child.said.result(60)
    processes.unregister()
    assert not [child for child in children if child.alive]


CHATTY = """
import sys
for stream in (sys.stderr, sys.stdout):
    for number in range(20_000):
        print("a line of a log that nobody asked for", number, file=stream)
print('{"url": "http://there"}', flush=True)
for number in range(20_000):
    print("and more of it", number)
sys.stdin.read()
"""


def test_one_that_says_much_is_not_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "launcher", lambda: Launcher(command=(sys.executable, "-c", CHATTY)))
    child = processes.coordinator()
    assert child.said.result(60) == {"url": "http://there"}
    child.stop()
    assert child._process.returncode == 0


PARENT = """
import sys, time
from blender_addon import processes
child = processes.coordinator(sys.argv[1:])
child.said.result()
print(child._process.pid, flush=True)
time.sleep(600)
"""


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, *OPTIONS, "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        child.wait(60)
    assert not child.is_running()


def test_the_line_of_json_is_all_that_counts_on_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Blender prints its name first."""
    said = json.dumps({"url": "x"})
    program = f"import sys; print('Blender 4.5'); print({said!r}, flush=True); sys.stdin.read()"
    monkeypatch.setattr(processes, "launcher", lambda: Launcher(command=(sys.executable, "-c", program)))
    assert processes.coordinator().said.result(60) == {"url": "x"}
