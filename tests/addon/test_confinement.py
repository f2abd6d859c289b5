"""What code that runs inside the renderer of a slave can reach: its job's files, and nothing else of this machine.

The code is a script in a .blend, on a slave whose owner allowed scripts: that is what a hole in Blender comes to.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from coordinator.renderer import command
from coordinator.slave.rooms import TREE

from .. import exr
from ..blender.renderers import RendererProcess
from ..process_farm import ProcessFarm, process_farm
from . import reaching
from .blenders import PROGRAM, ROOT, Blender

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(sys.platform != "linux", reason="only on Linux can a renderer confine itself"),
]

BUILD = """
from pathlib import Path
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.engine = arguments[1]
scene.render.resolution_x, scene.render.resolution_y = 48, 32
scene.cycles.samples = 4
scene.eevee.taa_render_samples = 1
scene.cycles.use_denoising = False
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.location = (0, 0, 5)
mesh = bpy.data.meshes.new("Square")
mesh.from_pydata([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], [], [(0, 1, 2, 3)])
light = bpy.data.objects.new("Light", bpy.data.lights.new("Light", "POINT"))
light.data.energy, light.location = 300, (1, 2, 3)
for each in (camera, light, bpy.data.objects.new("Square", mesh)):
    scene.collection.objects.link(each)
scene.camera = camera
if len(arguments) > 2:
    text = bpy.data.texts.new("hook.py")
    text.write(Path(arguments[2]).read_text())
    text.use_module = True
bpy.ops.wm.save_as_mainfile(filepath=arguments[0])
"""
ENGINES = {"cycles": "CYCLES", "workbench": "BLENDER_WORKBENCH"}
if PROGRAM is not None:
    ENGINES["eevee"] = "BLENDER_EEVEE_NEXT"  # compiles its shaders for a minute: too slow for every day


@contextmanager
def listeners(folder: Path) -> Iterator[dict[str, tuple[str, str, Any]]]:
    """Sockets that anybody on this machine may connect to."""
    named = f"@netrender-{folder.name}-{os.getpid()}"
    wanted: dict[str, tuple[str, str, Any]] = {
        "TCP": ("AF_INET", "SOCK_STREAM", ["127.0.0.1", 0]),
        "UDP": ("AF_INET", "SOCK_DGRAM", ["127.0.0.1", 0]),
        "TCP over IPv6": ("AF_INET6", "SOCK_STREAM", ["::1", 0]),
        "a socket with a path": ("AF_UNIX", "SOCK_STREAM", str(folder / "stream")),
        "a socket with a path for messages": ("AF_UNIX", "SOCK_DGRAM", str(folder / "datagram")),
        "a socket with a name": ("AF_UNIX", "SOCK_STREAM", named),
        "a socket with a name for messages": ("AF_UNIX", "SOCK_DGRAM", named + "-datagram"),
    }
    with ExitStack() as stack:
        for what, (family, kind, address) in list(wanted.items()):
            one = stack.enter_context(socket.socket(getattr(socket, family), getattr(socket, kind)))
            try:
                one.bind(tuple(address) if isinstance(address, list) else address.replace("@", "\0", 1))
            except OSError:  # a machine without IPv6
                del wanted[what]
                continue
            if kind == "SOCK_STREAM":
                one.listen(64)
            if isinstance(address, list):
                wanted[what] = family, kind, list(one.getsockname()[:2])
        yield wanted


def reached(log: str) -> dict[str, Any]:
    lines = [line.removeprefix("reached:") for line in log.splitlines() if line.startswith("reached:")]
    found: dict[str, Any] = dict(json.loads(line) for line in lines)
    assert found, log
    return found


class Hooked:
    """A farm of one slave that runs scripts, and what the script of the second of two jobs reached."""

    def __init__(self, folder: Path, blender: Blender, *options: str) -> None:
        home, mapped, outside = folder / "home", folder / "mapped", folder / "outside"
        for made in (home / ".ssh", mapped, outside):
            made.mkdir(parents=True)
        for file in (home / ".ssh" / "id", mapped / "asset", outside / "file", outside / "other", outside / "third"):
            file.write_text("secret")
        plain = folder / "plain.blend"
        blender.run(BUILD, plain, "CYCLES")
        with ExitStack() as stack:
            farm = stack.enter_context(process_farm(folder / "farm", blender=PROGRAM))
            options = ("--allow-scripts", "--path-map", f"/drive={mapped}", *options)
            farm.start_slave("one", 1, *options)
            slot, slave = farm.folder / "one", farm.slaves["one"]
            first = self.submitted(farm, plain)
            blobs = slot / "cache" / "blobs"
            blob = next(path for path in blobs.rglob("*") if path.is_file())
            there: dict[str, Any] = {
                "read": {
                    "a file outside": str(outside / "file"),
                    "another job's file": str(slot / "cache" / "jobs" / first / TREE / "plain.blend"),
                    "a blob": str(blob),
                    "the slave's id": str(slot / "id"),
                    "a key": str(home / ".ssh" / "id"),
                    "the users of this machine": "/etc/passwd",
                    "its groups": "/etc/group",
                },
                "list": {"everything": "/", "temporary files of others": "/tmp", "outside": str(outside)},
                "write": {
                    "a folder outside": str(outside),
                    "the job's folder": str(slot / "cache" / "jobs"),
                    "the blobs": str(blobs),
                    "the outbox": str(slot / "outbox"),
                    "a mapped folder": str(mapped),
                    "the slave's work": str(slot / "work"),
                },
                "change": {"a file outside": str(outside / "other"), "a file of the job": str(outside / "third")},
                "connect": stack.enter_context(listeners(folder)),
                "agent": slave.pid,
                "mapped": str(mapped / "asset"),
                "work": str(home),
                "python": sys.executable if PROGRAM is None else "/usr/bin/python3",
                "source": Path(reaching.__file__).read_text(),
            }
            hooked = folder / "hooked.blend"
            script = folder / "hook.py"
            # Its own place in the tree is known: a .blend alone is at the top.
            script.write_text(
                there["source"]
                + f"\nthere = {there!r}\nimport bpy\nthere['job'] = bpy.data.filepath"
                + "\nif '--confine' in sys.argv:\n    there['change']['a file of the job'] = bpy.data.filepath"
                + "\nthere['write']['beside the .blend'] = str(Path(bpy.data.filepath).parent)\nhook(there)\n"
            )
            blender.run(BUILD, hooked, "CYCLES", script)
            job = self.submitted(farm, hooked)
            self.frame_log = farm.run("log", job, "1", "--coordinator", farm.url).stdout
            self.found = reached(self.frame_log)
            self.slaves = farm.client.slaves()
            self.table = farm.run("slaves", "--coordinator", farm.url).stdout
            self.secret = (outside / "file").read_text()
            self.log = (farm.folder / "one.log").read_text()

    @staticmethod
    def submitted(farm: ProcessFarm, blend: Path) -> str:
        job = farm.submit(blend, "--frames", "1", *(["--blender", PROGRAM] if PROGRAM else []))
        (frame,) = farm.gather(job, blend.parent / f"{blend.stem}-frames")
        assert exr.read(frame)
        return job


@pytest.fixture(scope="module")
def confined(tmp_path_factory: pytest.TempPathFactory) -> Hooked:
    folder = tmp_path_factory.mktemp("confined")
    return Hooked(folder, Blender(folder / "user"))


PLACES = ["thread", "new thread", "process", "thread that renders"]


@pytest.mark.parametrize("place", PLACES)
def test_code_in_the_renderer_reaches_nothing_but_its_job(confined: Hooked, place: str) -> None:
    found = confined.found[place]
    assert len(found) > 40, found
    assert {name for name, came in found.items() if came == "done"} == reaching.ALLOWED
    mysteries = {name: came for name, came in found.items() if came != "done" and "PermissionError" not in came}
    assert mysteries == {}


def test_every_thread_is_held(confined: Hooked) -> None:
    assert len(confined.found["threads"]) > 1
    for lines in confined.found["threads"]:
        assert lines == ["NoNewPrivs:\t1", "Seccomp:\t2"]


def test_it_is_said(confined: Hooked) -> None:
    (slave,) = confined.slaves
    assert set(slave.confined) == {"files", "network", "processes"}
    assert "the renderer is confined" in confined.log
    assert "scripts here may read the job's files" in confined.frame_log
    assert confined.table.splitlines()[1].split()[4] == "yes"


def test_without_confinement_it_reaches_everything(tmp_path: Path) -> None:
    """Or the tests above would prove nothing; and it is said."""
    hooked = Hooked(tmp_path, Blender(tmp_path / "user"), "--unconfined")
    for place in PLACES:
        found = hooked.found[place]
        assert [name for name, came in found.items() if came != "done"] == []
    assert hooked.slaves[0].confined == ()
    assert "the renderer is not confined" in hooked.log
    assert hooked.table.splitlines()[1].split()[4] == "no"


WITHOUT = """#!/bin/sh
exec {python} -c '
import os, struct, sys
sys.path.insert(0, "{root}")
from blender_addon.renderer import seccomp
# From 444 to 446 a call is not there (ENOSYS): those of Landlock.
rules = [(0x20, 0, 0, 0), (0x35, 0, 2, 444), (0x25, 1, 0, 446), (6, 0, 0, 0x50026), (6, 0, 0, 0x7FFF0000)]
seccomp.program = lambda machine: b"".join(struct.pack("=HBBI", *rule) for rule in rules)
seccomp.install()
os.execv("{python}", ["{python}", *sys.argv[1:]])
' "$@"
"""


@pytest.mark.skipif(PROGRAM is not None, reason="a Blender says the same")
def test_a_kernel_without_landlock_is_said(tmp_path: Path, blender: Blender) -> None:
    """In the slave's log and in ``netrender slaves``; and it renders."""
    python, blend = tmp_path / "python-without-landlock", tmp_path / "scene.blend"
    python.write_text(WITHOUT.format(python=sys.executable, root=ROOT))
    python.chmod(0o755)
    blender.run(BUILD, blend, "CYCLES")
    with process_farm(tmp_path / "farm", ["one"], blender=str(python)) as farm:
        assert exr.read(farm.gather(farm.submit(blend, "--frames", "1"), tmp_path / "frames")[0])
        [slave] = farm.client.slaves()
        table = farm.run("slaves", "--coordinator", farm.url).stdout
    assert slave.confined == ("network",)
    assert "only network" in table
    log = (tmp_path / "farm" / "one.log").read_text()
    assert "WARNING" in log
    assert "the renderer is confined only in part (network): this kernel has no Landlock" in log


def confined_command(folder: Path, *options: str) -> list[str]:
    """Of a renderer that may read ``folder/tree`` and write to ``folder/results``."""
    for name in ("tree", "results", "cache"):
        (folder / name).mkdir(exist_ok=True)
    words = ["--confine", "--tree", str(folder / "tree"), "--write", str(folder / "results")]
    return [*command(PROGRAM, 1), *words, "--cache", str(folder / "cache"), *options]


def rendered(folder: Path, blend: Path, start: list[str], engine: str, environment: dict[str, str]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    frames = [folder / f"{frame}.exr" for frame in (1, 2)]
    with RendererProcess(errors=folder.with_suffix(".log"), command=start, environment=environment) as renderer:
        opened = renderer.open(blend, engine=engine)
        assert opened["type"] == "opened", opened
        for number, frame in enumerate(frames, 1):
            answer = renderer.render(number, frame)
            assert answer["type"] == "rendered", answer
    return frames


@pytest.mark.parametrize("name", ENGINES)
def test_it_renders_the_same(blender: Blender, tmp_path: Path, name: str) -> None:
    start, temp = confined_command(tmp_path), tmp_path / "temp"
    temp.mkdir()
    blend = tmp_path / "tree" / "scene.blend"
    blender.run(BUILD, blend, "CYCLES")
    held = rendered(tmp_path / "results", blend, start, ENGINES[name], {"TMPDIR": str(temp)})
    free = rendered(tmp_path / "free", blend, command(PROGRAM, 1), ENGINES[name], {})
    for one, other in zip(held, free, strict=True):
        assert exr.differences(one, other) == []
    channels = exr.read(held[0])
    assert any(pixels.any() for pixels in channels.values())


KEEP = """
bpy.context.preferences.system.scrollback = 77
bpy.ops.wm.save_userpref()
"""


@pytest.mark.skipif(PROGRAM is None, reason="the bpy package reads no preferences")
def test_a_blenders_preferences_hold(blender: Blender, tmp_path: Path) -> None:
    """They say on which GPUs to render where the slave was told nothing."""
    blender.run(KEEP)
    blend, script = tmp_path / "tree" / "scene.blend", tmp_path / "hook.py"
    start = confined_command(tmp_path)
    start = [word.replace("--disable-autoexec", "--enable-autoexec") for word in start] + ["--allow-scripts"]
    script.write_text(
        "import bpy, sys\nsystem = bpy.context.preferences.system\n"
        "sys.stderr.write(f'scrollback {system.scrollback}\\n')\nsys.stderr.flush()\n"
        "try:\n    bpy.ops.wm.save_userpref()\nexcept RuntimeError as error:\n    print(error)\n"
    )
    blender.run(BUILD, blend, "CYCLES", script)
    before = {path: path.read_bytes() for path in blender.user.rglob("*") if path.is_file()}
    environment = {**blender.environment, "TMPDIR": str(tmp_path / "cache")}
    with RendererProcess(errors=tmp_path / "log", command=start, environment=environment) as renderer:
        assert set(renderer.ready["confined"]) == {"files", "network", "processes"}, renderer.ready
        assert renderer.open(blend)["type"] == "opened"
    assert "scrollback 77" in (tmp_path / "log").read_text()
    assert {path: path.read_bytes() for path in blender.user.rglob("*") if path.is_file()} == before
