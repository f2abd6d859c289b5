"""``netrender`` from an installed extension, and from nothing but the zip's content."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pytest

import coordinator
from coordinator.client import Client
from coordinator.config import Address
from coordinator.protocol.messages import SlaveChanged

from ..fakes.blenders import fake_blender
from .blenders import EXTENSION, PROGRAM, Blender

LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory, extension_zip: Path) -> Path:
    folder = tmp_path_factory.mktemp("unpacked") / "netrender"
    with zipfile.ZipFile(extension_zip) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheels_are_all_that_it_needs(unpacked: Path, tmp_path: Path) -> None:
    """A Python without any package: coordinator, slave (found by mDNS), and a client's command."""
    bare = [sys.executable, "-I", "-S", str(unpacked / "headless.py")]
    farm = ["--farm", tmp_path.name, "--interface", LOOPBACK]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    options = [*farm, "--exit-with-stdin"]
    coordinator_options = ["--port", "0", "--json", "--data", str(tmp_path / "c"), *options]
    with subprocess.Popen([*bare, "coordinator", *coordinator_options], text=True, **pipes) as master:  # type: ignore
        url = json.loads(master.stdout.readline())["url"]
        slave_options = ["--data", str(tmp_path / "s"), "--blender", fake_blender(tmp_path), "--name", "ada", *options]
        with (
            Client(Address.parse(url)) as client,
            subprocess.Popen([*bare, "slave", *slave_options], text=True, **pipes) as slave,  # type: ignore
        ):
            stream = client.events()
            assert next(event for event in stream if isinstance(event, SlaveChanged)).slave.name == "ada"
            stream.close()
            command = [*bare, "slaves", "--json", "--discover", *farm]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert [known["name"] for known in json.loads(done.stdout)] == ["ada"]
            _, log = slave.communicate()
            assert slave.returncode == 0, log
        _, log = master.communicate()
        assert master.returncode == 0, log
        assert "Traceback" not in log


COMMAND = f"""
import importlib
command = importlib.import_module("{EXTENSION}.command")
tell(command.run(arguments))
"""


@pytest.mark.blender
def test_the_extensions_command_takes_the_arguments_of_netrender(installed: Blender) -> None:
    version = f"netrender {coordinator.__version__}"
    if PROGRAM is None:
        answer = installed.run(COMMAND, "--version")
        assert (answer.told, answer.printed) == ([0], [version])
        answer = installed.run(COMMAND, "submit", "--frames", "9-1", "scene.blend")
        assert answer.told == [2]
        assert "9-1" in answer.printed[0]
        return
    done = installed.call("-c", "netrender", "--version")
    assert (done.returncode, version in done.stdout.splitlines()) == (0, True), done.stdout
    done = installed.call("-c", "netrender", "submit", "--frames", "9-1", "scene.blend")
    assert done.returncode == 2, done.stdout
    assert "netrender: error: " in done.stdout


SCENE = """
scene = bpy.context.scene
scene.render.engine, scene.render.resolution_x, scene.render.resolution_y = "CYCLES", 32, 16
scene.cycles.samples, scene.cycles.use_denoising = 2, False
bpy.ops.wm.save_as_mainfile(filepath=arguments[0])
"""


@pytest.mark.blender
def test_the_extensions_command_renders(installed: Blender, tmp_path: Path) -> None:
    """With a coordinator and a slave of its own: from the first word to the last frame nothing but the extension."""
    blend = tmp_path / "scene.blend"
    installed.run(SCENE, blend)
    output = tmp_path / "frames"
    arguments = ["render", str(blend), "--frames", "1-2", "--device", "CPU", "--output", str(output)]
    if PROGRAM is None:
        answer = installed.run(COMMAND, *arguments)
        assert answer.told == [0], answer.printed
    else:
        done = installed.call("-c", "netrender", *arguments)
        assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in output.glob("*.exr")) == ["0001.exr", "0002.exr"]


@pytest.mark.blender
@pytest.mark.skipif(PROGRAM is None, reason="the bpy package is no program")
def test_without_the_command_by_a_script(unpacked: Path, tmp_path: Path) -> None:
    done = Blender(tmp_path / "user").call("-P", str(unpacked / "headless.py"), "--", "--version")
    assert done.returncode == 0, done.stdout
    assert f"netrender {coordinator.__version__}" in done.stdout.splitlines()


FARM = f"""
import importlib, threading
processes = importlib.import_module("{EXTENSION}.processes")
folder = arguments[0]
joined = threading.Event()
master = processes.coordinator(["--port", "0", "--no-announce", "--data", folder + "/c"])
url = master.said.result()["url"]
lines = []
def on_log(line):
    lines.append(line)
    if "connected to the coordinator" in line:
        joined.set()
slave = processes.slave(["--data", folder + "/s", "--threads", "1"], address=url, on_log=on_log,
                        on_end=lambda text: (lines.append(text), joined.set()))
joined.wait()
tell([url, master._process.pid, slave._process.pid, lines])
sys.stdout.flush()
if arguments[1] == "killed":
    threading.Event().wait()
processes.unregister()
tell([master._process.returncode, slave._process.returncode])
"""


@pytest.mark.blender
def test_a_farm_of_the_extensions_own_files(installed: Blender, tmp_path: Path) -> None:
    """A slave that is connected has started its renderer: this Blender."""
    answer = installed.run(FARM, tmp_path, "stopped")
    (url, _, _, lines), codes = answer.told
    assert f"connected to the coordinator at {url}" in "".join(lines), lines
    assert codes == [0, 0]
    assert answer.printed == []


@pytest.mark.blender
def test_the_farm_ends_when_blender_is_killed(installed: Blender, tmp_path: Path) -> None:
    with installed.start(FARM, tmp_path, "killed") as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("told:"))
        _, *pids, lines = json.loads(line.removeprefix("told:"))
        assert "connected" in lines[-1]
        children = [psutil.Process(pid) for pid in pids]
        tree = [*children, *(grandchild for child in children for grandchild in child.children(recursive=True))]
        assert len(tree) >= 3, "the slave's renderer too"
        process.kill()
        _, alive = psutil.wait_procs(tree, timeout=60)
        assert alive == []
