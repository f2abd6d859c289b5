"""Coordinators announced and found by mDNS, on the loopback interface or in a network of a test's own."""

import asyncio
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from coordinator import __version__, discovery
from coordinator.client import Client
from coordinator.config import Address
from coordinator.constants import PROTOCOL_VERSION
from coordinator.discovery import Found, announced, find, find_now, search
from coordinator.errors import UnreachableError, UsageError
from coordinator.interfaces import address_of, addresses, is_loopback
from coordinator.protocol.messages import SlaveChanged

from .cli.commands import COMMAND, ROOT, start
from .fakes.blenders import fake_blender

LOOPBACK = "127.0.0.1"


@pytest.fixture
def farm() -> str:
    """A name of its own: other coordinators may be announced on this machine."""
    return f"test-{secrets.token_hex(4)}"


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    """Where something listens."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), LOOPBACK, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def test_what_is_announced_is_found(farm: str, port: int) -> None:
    async with announced(LOOPBACK, port, key=False, farm=farm), aclosing(search(LOOPBACK)) as coordinators:
        found = await anext(found async for found in coordinators if found.farm == farm)
    assert found.urls == (f"http://{LOOPBACK}:{port}",)
    assert (found.protocol, found.netrender, found.key) == (PROTOCOL_VERSION, __version__, False)
    assert str(port) in found.name


async def test_the_first_that_can_be_used(farm: str, port: int) -> None:
    skipped: list[str] = []
    async with announced(LOOPBACK, port, key=False, farm=farm):
        where = await find(farm=farm, interface=LOOPBACK, on_skipped=skipped.append)
    assert where == Address(url=f"http://{LOOPBACK}:{port}")
    assert not [line for line in skipped if farm in line]


async def test_one_that_asks_for_a_key_is_used_by_who_has_it(farm: str, port: int) -> None:
    asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_skipped(line: str) -> None:
        if "--key" in line and not asked.done():
            asked.set_result(line)

    async with announced(LOOPBACK, port, key=True, farm=farm):
        without = asyncio.create_task(find(farm=farm, interface=LOOPBACK, on_skipped=on_skipped))
        assert "asks for the farm's key" in await asked
        without.cancel()
        await asyncio.wait({without})
        where = await find(farm=farm, key="secret", interface=LOOPBACK, on_skipped=lambda line: None)
    assert where == Address(url=f"http://{LOOPBACK}:{port}", token="secret")


async def test_one_that_does_not_answer_is_skipped(farm: str, port: int) -> None:
    gone = await asyncio.start_server(lambda reader, writer: None, LOOPBACK, 0)
    closed = gone.sockets[0].getsockname()[1]
    gone.close()
    await gone.wait_closed()
    silent = asyncio.Event()

    def on_skipped(line: str) -> None:
        if f"nothing answers at http://{LOOPBACK}:{closed}" in line:
            silent.set()

    async with announced(LOOPBACK, closed, key=False, farm=farm):
        task = asyncio.create_task(find(farm=farm, interface=LOOPBACK, on_skipped=on_skipped))
        await silent.wait()
        async with announced(LOOPBACK, port, key=False, farm=farm):
            assert (await task).url == f"http://{LOOPBACK}:{port}"


def test_a_command_does_not_look_for_ever(farm: str) -> None:
    with pytest.raises(UnreachableError, match="no coordinator was found on the local network"):
        find_now(farm=farm, interface=LOOPBACK, seconds=0.1)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"farm": "studio"}, "it is of farm 'studio'"),
        (
            {"protocol": PROTOCOL_VERSION + 1},
            f"it (Netrender 9.9) speaks protocol {PROTOCOL_VERSION + 1}, this machine (Netrender {__version__}) "
            f"speaks protocol {PROTOCOL_VERSION}: update Netrender here",
        ),
        ({"key": True}, "it asks for the farm's key"),
    ],
)
def test_why_one_cannot_be_used(changes: dict[str, object], why: str) -> None:
    fields: dict[str, object] = {
        "name": "ada",
        "urls": (),
        "protocol": PROTOCOL_VERSION,
        "netrender": "9.9",
        "farm": "",
        "key": False,
    }
    found = Found(**{**fields, **changes})  # type: ignore[arg-type]
    assert found.unusable(farm="", key="").startswith(why)
    assert bool(found.unusable(farm="", key="")) == bool(why)


async def test_an_interface_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"--interface wire7: .* it has: .*127\.0\.0\.1"):
        await find(interface="wire7", on_skipped=lambda line: None)


def test_an_interface_may_be_named_by_its_address() -> None:
    name = next(name for name, address in addresses().items() if is_loopback(address))
    assert address_of(name) == address_of(addresses()[name]) == addresses()[name]


async def test_without_a_network_the_coordinator_runs_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(discovery, "addresses", dict)
    told = asyncio.Event()
    monkeypatch.setattr(discovery.logger, "warning", lambda text, *rest: told.set())
    async with announced("0.0.0.0", 1, key=True):
        await told.wait()


def joins_by_itself(client: Client) -> None:
    stream = client.events()
    joined = next(event for event in stream if isinstance(event, SlaveChanged))
    assert joined.slave.name == "ada"
    stream.close()


def test_a_slave_finds_its_coordinator(tmp_path: Path, farm: str) -> None:
    where = ("--farm", farm, "--interface", LOOPBACK, "--exit-with-stdin")
    with start("coordinator", "--port", "0", "--data", tmp_path / "c", "--json", *where) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        options = ("--name", "ada", "--data", tmp_path / "s", "--blender", fake_blender(tmp_path))
        with Client(Address.parse(url)) as client, start("slave", *options, *where) as slave:
            joins_by_itself(client)
            _, log = slave.communicate(timeout=30)
            assert f"found a coordinator at {url}" in log
            assert slave.returncode == 0
        process.communicate(timeout=30)


OWN_NETWORK = ["unshare", "--net", "sh", "-ec"]
# Its one interface has an address that does not look like loopback: nothing leaves it, and nobody knows that.
WIRE = "ip link set lo up; ip addr add 10.1.2.3/24 dev lo; ip addr del 127.0.0.1/8 dev lo; "
MEETING = """
import json, subprocess, sys
farm, data, blender, *command = sys.argv[1:]
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
options = ["--farm", farm, "--exit-with-stdin"]
master = subprocess.Popen([*command, "coordinator", "--host", "0.0.0.0", "--port", "0", "--data", data + "/c", "--json",
                           *options], **pipes)
line = json.loads(master.stdout.readline())["pairing_line"]
key = line.partition("#")[2]
options += ["--blender", blender, "--key", key]
slave = subprocess.Popen([*command, "slave", "--data", data + "/s", *options], **pipes)
for text in slave.stderr:
    print(text, end="", flush=True)
    if "connected" in text:
        break
slave.communicate()
master.communicate()
"""


def _may_have_a_network() -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return subprocess.run([*OWN_NETWORK, WIRE], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _may_have_a_network(), reason="needs a network of its own: Linux, root, and the command ip")
def test_on_another_address_than_loopback_a_slave_needs_only_the_key(tmp_path: Path, farm: str) -> None:
    script = [sys.executable, "-c", MEETING, farm, str(tmp_path), fake_blender(tmp_path), *COMMAND]
    done = subprocess.run(
        [*OWN_NETWORK, WIRE + 'exec "$@"', "sh", *script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "found a coordinator at http://10.1.2.3:" in done.stdout
    assert "connected" in done.stdout
