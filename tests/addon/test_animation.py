"""*Animation on network* from a script: what goes wrong is one message that says what to do, and Blender goes on."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from coordinator.protocol import messages

from .. import reference, scenes
from ..coordinators import RunningCoordinator
from ..process_farm import ProcessFarm
from ..scripted_slave import scripted_slave
from .blenders import Answer, Blender

pytestmark = pytest.mark.blender

SIMPLE = """
import argparse
from pathlib import Path
from tests import scenes
from tests.addon import films
films.enable()

def simple(frames=3, samples=1):
    scenes.simple(argparse.Namespace(frames=frames, width=32, height=24, samples=samples))
    films.enable()
    scene = bpy.context.scene
    scene.netrender.address = arguments[0]
    scene.render.filepath = arguments[1] + "/####"
    return scene

def attempt(operator, **options):
    try:
        tell(list(operator(**options)))
    except RuntimeError as error:
        tell(str(error))

"""
ANIMATION = SIMPLE + "scene = simple(); attempt(bpy.ops.netrender.animation); tell(scene.render.engine)"


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A frame as a slave delivers it."""
    folder = tmp_path_factory.mktemp("result")
    blend = scenes.build("simple", folder / "simple.blend", frames=1)
    return (reference.render(blend, folder) / "0001.exr").read_bytes()


def the_rest(process: "subprocess.Popen[str]") -> Answer:
    """What a Blender that was started says until it ends."""
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return Answer.of(output.splitlines())


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_frame_that_failed_is_an_error_and_no_black_image(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path, result: bytes
) -> None:
    output = tmp_path / "frames"
    script = (
        ANIMATION
        + """
scene.render.filepath = arguments[1] + "/film"
if films.NEW:
    scene.render.image_settings.media_type = "VIDEO"
scene.render.image_settings.file_format = "FFMPEG"
attempt(bpy.ops.netrender.gather)
"""
    )
    with scripted_slave(coordinator.url, permits=1000, render=lambda frame: None if frame == 2 else result):
        failed, engine, movie = extended.run(script, coordinator.url, output).told
    assert "1 of 3 frames could not be rendered by the farm, the others are written" in failed
    assert "frame 2: it was told to fail" in failed
    assert "log of 2" in failed
    assert engine == "CYCLES"
    assert "so the movie was not begun" in movie
    assert files(output) == ["0001.png", "0003.png"]


def test_no_slave_is_told_at_once_and_the_job_waits(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path, result: bytes
) -> None:
    """The slave comes only after Blender was heard to complain."""
    process = extended.start(ANIMATION, coordinator.url, tmp_path / "frames")
    assert process.stdout is not None
    said = next(line for line in process.stdout if "no slave is connected to" in line)
    assert "start one on any computer" in said
    with scripted_slave(coordinator.url, permits=3, render=lambda frame: result):
        answer = the_rest(process)
    assert answer.told == [["FINISHED"], "CYCLES"]
    assert files(tmp_path / "frames") == ["0001.png", "0002.png", "0003.png"]


@contextmanager
def answering(status: int, body: dict[str, Any]) -> Iterator[str]:
    """A server that says the same to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_what_can_be_wrong_with_the_master(extended: Blender, tmp_path: Path) -> None:
    script = (
        SIMPLE
        + """
scene = simple()
for address in arguments[2:]:
    scene.netrender.address = address
    for operator in (bpy.ops.netrender.animation, bpy.ops.netrender.send, bpy.ops.netrender.image):
        attempt(operator)
"""
    )
    with (
        answering(200, {"netrender": "9.9", "protocol": 999}) as newer,
        answering(401, {"code": "unauthorized", "message": "no key: use the pairing line"}) as locked,
        answering(200, {"hello": "world"}) as stranger,
    ):
        addresses = ["127.0.0.1:9", newer, locked, stranger, "no address"]
        told = extended.run(script, "", tmp_path / "frames", *addresses).told
    wanted = {
        "127.0.0.1:9": "no coordinator at http://127.0.0.1:9: start one",
        newer: "speaks protocol 999",
        locked: "use the pairing line",
        stranger: "is no Netrender coordinator; check the address",
        "no address": "is not an address",
    }
    for number, text in enumerate(wanted.values()):
        for said in told[3 * number : 3 * number + 3]:
            assert text in said
    assert not files(tmp_path / "frames")


def test_what_can_be_wrong_with_the_scene(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    script = (
        SIMPLE
        + """
scene = simple()
image = bpy.data.images.new("gone", 4, 4)
image.source, image.filepath = "FILE", "//gone.png"
texture = bpy.data.materials[0].node_tree.nodes.new("ShaderNodeTexImage")
texture.image = image
attempt(bpy.ops.netrender.animation)
scene.camera, camera = None, scene.camera
attempt(bpy.ops.netrender.animation)
scene.camera = camera
scene.netrender.frames = "3-1"
attempt(bpy.ops.netrender.animation)
scene.netrender.frames = "1"
attempt(bpy.ops.netrender.animation, allow_missing=True)
"""
    )
    answer = extended.run(script, farm.url, tmp_path / "frames")
    missing, camera, frames, allowed = answer.told
    assert "image 'gone': //gone.png" in missing
    assert "has no camera: add one" in camera
    assert "3-1" in frames
    assert allowed == ["FINISHED"]
    assert any("missing image 'gone'" in line for line in answer.printed)
    assert files(tmp_path / "frames") == ["0001.png"]


def test_a_scene_whose_name_means_another_is_refused(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    """A linked one of the same name, which the farm would take for the file's own."""
    script = (
        SIMPLE
        + """
scene = simple(frames=1)
library = str(Path(arguments[1]).with_name("library.blend"))
bpy.ops.wm.save_as_mainfile(filepath=library, copy=True)
with bpy.data.libraries.load(library, link=True) as (_, wanted):
    wanted.scenes = ["Scene"]
linked = wanted.scenes[0]
attempt(bpy.ops.netrender.animation)
editor = scene.sequence_editor_create()
strips = editor.strips if hasattr(editor, "strips") else editor.sequences
strips.new_scene("shown", linked, 1, 1)
attempt(bpy.ops.netrender.animation)
scene.sequence_editor_clear()
bpy.context.window.scene = linked
for operator in (bpy.ops.netrender.animation, bpy.ops.netrender.send, bpy.ops.netrender.image):
    attempt(operator)
attempt(bpy.ops.netrender.gather, job=scene.netrender.job)
"""
    )
    own, *refused = extended.run(script, farm.url, tmp_path / "frames").told
    assert own == ["FINISHED"]
    assert len(refused) == 5
    for said in refused:
        for words in ("2 scenes are called 'Scene'", "in the file itself", "library.blend", "rename one of them"):
            assert words in said
    assert files(tmp_path / "frames") == ["0001.png"]


def test_a_full_disk_is_told_wherever_it_is(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    script = (
        SIMPLE
        + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def most(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

scene = simple(frames=1)
most(20_000)  # less than a .blend
attempt(bpy.ops.netrender.animation)
most(resource.RLIM_INFINITY)
attempt(bpy.ops.netrender.send)
most(1_000)  # less than a result
attempt(bpy.ops.netrender.gather)
most(resource.RLIM_INFINITY)
attempt(bpy.ops.netrender.gather)
most(100)  # less than an image
attempt(bpy.ops.netrender.gather)
most(resource.RLIM_INFINITY)
Path(arguments[1], "0001.png").unlink(missing_ok=True)
attempt(bpy.ops.netrender.gather)
"""
    )
    output = tmp_path / "frames"
    snapshot, sent, download, written, image, again = extended.run(script, farm.url, output).told
    assert "File too large" in snapshot
    assert "cannot save a copy of the scene in" in snapshot
    assert sent == ["FINISHED"]
    assert "File too large" in download
    assert written == ["FINISHED"]
    assert "0001.png is not whole" in image
    assert again == ["FINISHED"]
    assert files(output) == ["0001.png"]


def test_a_job_that_somebody_cancels(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path, result: bytes
) -> None:
    """What is done is written, and the rest is an error."""
    with (
        coordinator.client as client,
        scripted_slave(coordinator.url, permits=1, render=lambda frame: result),
    ):
        events = client.events()
        process = extended.start(ANIMATION, coordinator.url, tmp_path / "frames")
        job = ""
        for event in events:
            if isinstance(event, messages.FrameDone):
                job = event.job
                break
        client.command(job, "cancel")
        said, _ = the_rest(process).told
    assert f"job {job} was cancelled: 2 of 3 frames were not rendered" in said
    assert files(tmp_path / "frames") == ["0001.png"]
