"""The renderer's commands, its bad inputs, and how it ends."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blender_addon.renderer import exr_file

from .. import exr, scenes
from ..disks import small_disk
from .renderers import MAIN, RendererProcess

pytestmark = pytest.mark.blender

SceneFile = Callable[[str], Path]


def assert_error(answer: dict[str, Any], code: str, *words: str) -> None:
    assert (answer["type"], answer["code"]) == ("error", code), answer
    for word in words:
        assert word in answer["message"], answer["message"]


def test_ready_says_what_it_is(renderer: RendererProcess) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", renderer.ready["blender"])
    assert {"CYCLES", "BLENDER_WORKBENCH"} < set(renderer.ready["engines"])
    assert renderer.ready["features"] == ["denoiser"]  # the bpy package has one
    assert renderer.ready["pid"] == renderer.process.pid


def test_nothing_but_messages_on_the_reply_channel(
    renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path
) -> None:
    renderer.open(scene_file("simple"))
    renderer.render(2, tmp_path / "0002.exr")
    assert renderer.noise == []
    assert renderer.ask(do="dance")["type"] == "error"


def test_progress_counts_every_layer_and_view(renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path) -> None:
    renderer.open(scene_file("identity"), samples=64)
    renderer.say(do="render", frame=3, output=str(tmp_path / "0003.exr"))
    messages = []
    while (message := renderer.next())["type"] == "progress":
        messages.append(message)
    assert message["type"] == "rendered"
    assert messages
    assert {(each["frame"], each["samples"]) for each in messages} == {(3, 64 * 2 * 2)}
    samples = [each["sample"] for each in messages]
    assert samples == sorted(samples)
    assert samples[-1] <= 64 * 2 * 2


def test_a_folder_with_characters_that_blender_expands(
    renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path
) -> None:
    folder = tmp_path / "a {frame} #### %04d"
    folder.mkdir()
    renderer.open(scene_file("simple"))
    assert renderer.render(1, folder / "0001.exr")["type"] == "rendered"
    assert [path.name for path in folder.iterdir()] == ["0001.exr"]


def test_a_result_replaces_the_one_before(renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path) -> None:
    output = tmp_path / "out.exr"
    output.write_bytes(b"old")
    renderer.open(scene_file("simple"))
    renderer.render(1, output)
    assert exr.read(output)


def test_an_output_folder_that_is_not_there(renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    renderer.open(scene_file("simple"))
    assert_error(renderer.render(1, blocked / "0001.exr"), "storage", "frame 1", str(blocked))
    assert renderer.render(1, tmp_path / "0001.exr")["type"] == "rendered"  # it goes on


@pytest.mark.parametrize("scene", ["identity", "slow"])
def test_a_full_disk_leaves_nothing_half_written(scene: str, scene_file: SceneFile, tmp_path: Path) -> None:
    """Blender says that it is finished all the same. A limit on the size of files stands in for the disk."""
    limited = ["/bin/sh", "-c", 'ulimit -f 16; exec "$@"', "sh", sys.executable, str(MAIN)]
    with RendererProcess(errors=tmp_path / "log", command=limited) as renderer:
        renderer.open(scene_file(scene), samples=2)
        folder = tmp_path / "out"
        folder.mkdir()
        assert_error(renderer.render(1, folder / "0001.exr"), "storage", "frame 1", "File too large", str(folder))
        assert not list(folder.iterdir())


@pytest.mark.parametrize("leave", [0, 2**13])
def test_the_disk_is_asked_whether_it_is_full(
    renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path, leave: int
) -> None:
    renderer.open(scene_file("identity"), samples=2)
    with small_disk(tmp_path / "disk", 4) as disk:
        disk.fill(leave)
        answer = renderer.render(1, disk.folder / "0001.exr")
        assert_error(answer, "storage", "frame 1", "the disk is full", str(disk.folder))
        assert answer["size"] > leave
        assert [path.name for path in disk.folder.iterdir()] == ["filler"]
        disk.empty()
        assert renderer.render(1, disk.folder / "0001.exr")["type"] == "rendered"


def test_an_exr_file_that_is_cut_anywhere_is_not_whole(
    renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.exr"
    renderer.open(scene_file("identity"))
    assert renderer.render(1, whole)["type"] == "rendered"
    exr_file.check(whole)
    data = whole.read_bytes()
    for length in (0, 3, 100, len(data) // 2, len(data) - 1):
        whole.write_bytes(data[:length])
        with pytest.raises(exr_file.Broken):
            exr_file.check(whole)


def test_commands_that_cannot_be(renderer: RendererProcess, tmp_path: Path) -> None:
    assert_error(renderer.render(1, tmp_path / "x.exr"), "renderer", "before a scene was opened")
    assert_error(renderer.ask(do="dance"), "renderer", "'dance'")
    renderer.say_text("{not json")
    assert_error(renderer.answer(), "renderer", "not JSON")
    renderer.say_text(json.dumps([1]))
    assert_error(renderer.answer(), "renderer", "not a JSON object")
    assert_error(renderer.ask(do="render"), "renderer", "frame")


def test_one_scene_a_renderer(renderer: RendererProcess, scene_file: SceneFile) -> None:
    first = scene_file("simple")
    assert renderer.open(first)["type"] == "opened"
    assert_error(renderer.open(scene_file("camera_cuts")), "renderer", "holds one scene", str(first))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scene": "Nope"}, ("no scene 'Nope'", "'Scene'")),
        ({"engine": "NOPE"}, ("no render engine 'NOPE'", "'CYCLES'")),
        ({"view_layers": ["Nope"]}, ("no view layer 'Nope'", "'Second'")),
    ],
)
@pytest.mark.parametrize("command", ["open", "inspect"])
def test_names_that_are_not_there(
    renderer: RendererProcess, scene_file: SceneFile, command: str, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    answer = getattr(renderer, command)(scene_file("identity"), **changes)
    # Another slave's Blender may have the engine.
    code = "unsuitable" if command == "open" and "engine" in changes else "bad-scene"
    assert_error(answer, code, *words)


def test_either_name_of_eevee_will_do(renderer: RendererProcess, scene_file: SceneFile) -> None:
    """4.x and 5.x name it differently, and a manifest keeps the name that its client had."""
    answer = renderer.inspect(scene_file("simple"), engine="BLENDER_EEVEE_NEXT")
    assert answer["engine"] in answer["engines"]


def test_no_camera(renderer: RendererProcess, tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "s.blend", then="scene.camera = None")
    assert_error(renderer.open(blend), "bad-scene", "no camera")


FLUID = """
domain = scene.objects["Cube"].modifiers.new("Fluid", "FLUID")
domain.fluid_type = "DOMAIN"
"""


def test_a_fluid_that_the_bpy_package_would_die_of_is_refused(renderer: RendererProcess, tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "s.blend", then=FLUID)
    assert_error(renderer.open(blend), "unsuitable", "'Cube' is a fluid's domain", "--blender PATH")


def test_no_view_layer(renderer: RendererProcess, tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "s.blend", then="scene.view_layers[0].use = False")
    assert_error(renderer.open(blend), "bad-scene", "no view layer")


def test_files_that_are_no_blend(renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path) -> None:
    good = scene_file("simple").read_bytes()
    assert_error(renderer.open(tmp_path / "absent.blend"), "bad-scene", "absent.blend", "No such file")
    for name, data, words in (
        ("empty.blend", b"", ("empty",)),
        ("text.blend", b"hello\n" * 100, ("not a .blend",)),
        ("cut.blend", good[: len(good) // 2], ("damaged, incomplete",)),
        ("magic.blend", b"BLENDER-v402", ("damaged, incomplete",)),
        ("gzip.blend", b"\x1f\x8b" + bytes(30), ("damaged",)),
        ("newer.blend", b"BLENDER17-01v9902REND" + bytes(60), ("99.2", renderer.ready["blender"])),
    ):
        blend = tmp_path / name
        blend.write_bytes(data)
        assert_error(renderer.open(blend), "bad-scene", name, *words)
        assert_error(renderer.inspect(blend), "bad-scene", name, *words)
    assert renderer.open(scene_file("simple"))["type"] == "opened"


def test_quit_ends_with_status_0(renderer: RendererProcess, scene_file: SceneFile) -> None:
    renderer.open(scene_file("simple"))
    renderer.say(do="quit")
    assert renderer.process.wait(timeout=60) == 0


def test_end_of_stdin_ends_it_in_mid_render(renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path) -> None:
    renderer.open(scene_file("slow"))
    renderer.say(do="render", frame=1, output=str(tmp_path / "0001.exr"))
    assert renderer.next()["type"] == "progress"  # it renders; the frame would take minutes
    assert renderer.process.stdin
    renderer.process.stdin.close()
    assert renderer.process.wait(timeout=60) == 0
    assert not (tmp_path / "0001.exr").exists()


def test_without_the_wanted_gpu_it_renders_on_the_cpu_and_says_so(scene_file: SceneFile, tmp_path: Path) -> None:
    log = tmp_path / "renderer.log"
    command = [sys.executable, str(MAIN), "--device", "a GPU that nobody has"]
    with RendererProcess(errors=log, command=command) as renderer:
        assert renderer.open(scene_file("simple"))["type"] == "opened"
        assert renderer.render(1, tmp_path / "0001.exr")["type"] == "rendered"
    assert "no device 'a GPU that nobody has', rendering on the CPU; this machine has" in log.read_text()


def test_file_output_nodes_and_the_sequencer_do_nothing(renderer: RendererProcess, tmp_path: Path) -> None:
    then = (
        "tree = bpy.data.node_groups.new('C', 'CompositorNodeTree')\n"
        "if hasattr(scene, 'compositing_node_group'): scene.compositing_node_group = tree\n"
        "else: scene.use_nodes = True; tree = scene.node_tree\n"
        "layers = tree.nodes.new('CompositorNodeRLayers'); out = tree.nodes.new('CompositorNodeOutputFile')\n"
        f"folder = {str(tmp_path / 'side')!r}\n"
        "if hasattr(out, 'directory'): out.directory = folder; out.file_output_items.new('RGBA', 'x')\n"
        "else: out.base_path = folder\n"
        "tree.links.new(layers.outputs[0], out.inputs[0])\n"
        "scene.render.use_compositing = True\n"
        "scene.render.use_stamp = True\n"
    )
    blend = scenes.build("simple", tmp_path / "s.blend", then=then)
    renderer.open(blend)
    assert renderer.render(1, tmp_path / "0001.exr")["type"] == "rendered"
    assert not (tmp_path / "side").exists()
