"""``netrender coordinator`` and ``slave`` as processes: how they start, and how they end."""

import json
import signal
from pathlib import Path

import pytest

from coordinator.client import Client
from coordinator.config import Address
from coordinator.protocol.messages import SlaveChanged

from .commands import start


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_the_coordinator_cleanly(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with start("coordinator", "--port", "0", "--data", tmp_path, "--json") as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert (said["pairing_line"], said["pid"]) == (None, process.pid)
        with Client(Address.parse(said["url"])) as client:
            assert client.jobs() == []
        process.send_signal(number)
        _, log = process.communicate(timeout=30)
        assert process.returncode == code
        assert "Traceback" not in log


def test_it_says_where_it_listens(tmp_path: Path) -> None:
    with start("coordinator", "--port", "0", "--data", tmp_path, "--exit-with-stdin") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("The coordinator listens at http://127.0.0.1:")
        process.communicate(timeout=30)  # closes stdin
        assert process.returncode == 0


def test_another_address_gets_a_key_and_the_pairing_line_is_enough(tmp_path: Path) -> None:
    options = ("--host", "0.0.0.0", "--no-announce", "--port", "0", "--data", tmp_path, "--json", "--exit-with-stdin")
    with start("coordinator", *options) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        key = Address.parse(said["pairing_line"])
        assert key.token
        port = key.url.rpartition(":")[2]
        with Client(Address(url=f"http://127.0.0.1:{port}", token=key.token)) as client:
            assert client.jobs() == []
        process.communicate(timeout=30)


@pytest.mark.blender
def test_a_slave_joins_and_ends_with_its_stdin(tmp_path: Path) -> None:
    with start("coordinator", "--port", "0", "--data", tmp_path / "c", "--json", "--exit-with-stdin") as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        options = ("--coordinator", url, "--name", "ada", "--threads", "1", "--data", tmp_path / "s")
        with Client(Address.parse(url)) as client, start("slave", *options, "--exit-with-stdin") as slave:
            stream = client.events()
            joined = next(event for event in stream if isinstance(event, SlaveChanged))
            assert (joined.slave.name, joined.slave.threads) == ("ada", 1)
            _, log = slave.communicate(timeout=30)
            assert slave.returncode == 0
            assert "Traceback" not in log
            left = next(e for e in stream if isinstance(e, SlaveChanged) and not e.slave.connected)
            assert left.slave.name == "ada"
            stream.close()
        process.communicate(timeout=30)
