"""From a .blend to a job, with real Blender."""

import hashlib
import os
import sys
from pathlib import Path

import pytest

from coordinator import errors
from coordinator.protocol.states import JobState
from coordinator.submission import Prepared, Wishes, parse_frames, prepare, send

from . import scenes
from .coordinators import RunningCoordinator

pytestmark = pytest.mark.blender

PICTURES = """
from pathlib import Path
folder = Path({folder!r})
for name, stored in {pictures}:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("tmp", 4, 4)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    image = bpy.data.images.load(str(path))
    image.name, image.filepath = path.name, stored
    nodes = scene.objects["Cube"].material_slots[0].material.node_tree.nodes
    nodes.new("ShaderNodeTexImage").image = image
for name in {delete}:
    (folder / name).unlink()
"""


def with_pictures(folder: Path, pictures: dict[str, str], delete: tuple[str, ...] = ()) -> Path:
    """A scene whose textures are these files, stored as these paths."""
    (folder / "film").mkdir(parents=True)
    then = PICTURES.format(folder=str(folder), pictures=list(pictures.items()), delete=delete)
    return scenes.build("simple", folder / "film" / "scene.blend", then=then)


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = "bpy.context.preferences.filepaths.use_file_compression = False"  # a compressed one is sent unpacked
    return scenes.build("simple", tmp_path_factory.mktemp("simple") / "simple.blend", frames=5, then=plain)


def test_a_scene_without_files_is_one_blob(simple: Path) -> None:
    prepared = prepare(simple, Wishes())
    manifest = prepared.manifest
    digest = hashlib.sha256(simple.read_bytes()).hexdigest()
    assert (manifest.name, manifest.blend, manifest.frames) == ("simple", "simple.blend", "1-5")
    assert [(file.path, file.sha256, file.size) for file in manifest.files] == [
        ("simple.blend", digest, simple.stat().st_size)
    ]
    assert prepared.sources == {digest: simple}
    assert (manifest.render.scene, manifest.render.engine) == ("Scene", "CYCLES")
    assert (manifest.render.samples, manifest.render.percentage, manifest.chunk) == (None, None, 0)


def test_wishes_are_in_the_manifest(simple: Path) -> None:
    wishes = Wishes(
        frames="7,1-2", samples=3, percentage=50, chunk=4, priority=2, name="shot", view_layers=("ViewLayer",), again=1
    )
    manifest = prepare(simple, wishes).manifest
    assert (manifest.frames, manifest.name, manifest.chunk, manifest.priority) == ("1-2,7", "shot", 4, 2)
    assert (manifest.render.samples, manifest.render.percentage) == (3, 50)
    assert manifest.render.view_layers == ("ViewLayer",)
    assert manifest.id != prepare(simple, Wishes(frames="7,1-2")).manifest.id


@pytest.mark.parametrize(
    ("wishes", "error", "text"),
    [
        (Wishes(scene="Nowhere"), errors.BadSceneError, "Nowhere.*Scene"),
        (Wishes(view_layers=("Fog",)), errors.BadSceneError, "Fog.*ViewLayer"),
        (Wishes(engine="LUXCORE"), errors.BadSceneError, "LUXCORE.*CYCLES"),
        (Wishes(frames="9-1"), errors.BadFramesError, "backwards"),
        (Wishes(frames="1-1000000"), errors.BadFramesError, "1000000 frames are more"),
        (Wishes(blender="/no/blender"), errors.BlenderNotFoundError, "/no/blender"),
    ],
)
def test_what_is_not_there_is_named_with_what_there_is(
    simple: Path, wishes: Wishes, error: type[errors.NetrenderError], text: str
) -> None:
    with pytest.raises(error, match=text):
        prepare(simple, wishes)


def test_a_scene_without_a_camera(tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "s.blend", then="scene.camera = None")
    with pytest.raises(errors.BadSceneError, match=r"'Scene' of .*s\.blend has no camera: add one"):
        prepare(blend, Wishes())


def test_a_scene_whose_own_range_is_too_long(tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "s.blend", then="scene.frame_end = 500000")
    with pytest.raises(errors.BadFramesError, match=r"scene 'Scene' of .*give --frames"):
        prepare(blend, Wishes())


def test_a_truncated_blend_is_refused_compressed_or_not(simple: Path, tmp_path: Path) -> None:
    data = simple.read_bytes()
    (tmp_path / "cut.blend").write_bytes(data[: len(data) // 2])
    with pytest.raises(errors.BadSceneError, match=r"cut\.blend"):
        prepare(tmp_path / "cut.blend", Wishes())
    compressed = "bpy.context.preferences.filepaths.use_file_compression = True"
    data = scenes.build("simple", tmp_path / "z.blend", then=compressed).read_bytes()
    (tmp_path / "cutz.blend").write_bytes(data[: len(data) // 2])
    with pytest.raises(errors.BadSceneError, match=r"cutz\.blend"):
        prepare(tmp_path / "cutz.blend", Wishes())


def test_the_tree_mirrors_the_folders_and_absolute_paths_are_mapped(tmp_path: Path) -> None:
    far = str(tmp_path / "elsewhere" / "far.png")
    pictures = {
        "film/tex/near.png": "//tex/near.png",
        "shared/up.png": "//../shared/up.png",
        "film/known.png": str(tmp_path / "project" / "film" / "known.png"),
    }
    blend = with_pictures(tmp_path / "project", {**pictures, "../elsewhere/far.png": far})
    prepared = prepare(blend, Wishes())
    assert {file.path for file in prepared.manifest.files} == {
        "film/scene.blend",
        "film/tex/near.png",
        "shared/up.png",
        "film/known.png",
        "_outside" + far,
    }
    assert {(each.blend, each.stored, each.path) for each in prepared.manifest.mapped} == {
        ("film/scene.blend", str(tmp_path / "project" / "film" / "known.png"), "film/known.png"),
        ("film/scene.blend", far, "_outside" + far),
    }
    assert prepared.manifest.blend == "film/scene.blend"
    for file in prepared.manifest.files:
        data = prepared.sources[file.sha256].read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)


def test_missing_files_are_named_one_a_line_and_may_be_allowed(tmp_path: Path) -> None:
    pictures = {"film/a.png": "//a.png", "film/b.png": "//b.png", "film/c.png": "//c.png"}
    blend = with_pictures(tmp_path, pictures, delete=("film/a.png", "film/b.png"))
    with pytest.raises(errors.MissingFilesError) as caught:
        prepare(blend, Wishes())
    first, *lines = caught.value.message.splitlines()
    assert first.startswith("2 files that scene.blend needs are not there")
    assert "--allow-missing" in first
    assert lines == [f"  image '{n}.png': //{n}.png ({tmp_path}/film/{n}.png)" for n in ("a", "b")]
    allowed = prepare(blend, Wishes(allow_missing=True))
    assert [warning.split("'")[1] for warning in allowed.warnings] == ["a.png", "b.png"]
    assert [file.path for file in allowed.manifest.files] == ["c.png", "scene.blend"]


def test_sending_it_twice_uploads_once(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    prepared: Prepared = prepare(with_pictures(tmp_path, {"film/a.png": "//a.png"}), Wishes())
    steps: list[tuple[int, int]] = []
    with coordinator.client as client:
        accepted = send(client, prepared, lambda done, total: steps.append((done, total)))
        assert client.job(accepted.id).state is JobState.QUEUED
        total = sum(prepared.manifest.blobs.values())
        assert steps[-1] == (total, total)
        again = send(client, prepared)
    assert (again.id, again.new, again.missing) == (accepted.id, False, ())


def test_a_range_that_a_job_may_have() -> None:
    assert len(parse_frames("1-100000")) == 100_000
    with pytest.raises(errors.BadFramesError, match="in several jobs"):
        parse_frames("1-100001")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_refused_before_anything_is_sent(simple: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff.blend")
    odd.write_bytes(simple.read_bytes())
    with pytest.raises(errors.BadSceneError, match=r"'\\udcff.blend': its name is not text.*rename it"):
        prepare(odd, Wishes())
    with pytest.raises(errors.BadPathError, match=r"'shot \\udcff': this name is not text"):
        prepare(simple, Wishes(name=os.fsdecode(b"shot \xff")))
    with pytest.raises(errors.BadPathError, match=r"'\\udcff': this name is not text"):
        prepare(simple, Wishes(only_slaves=(os.fsdecode(b"\xff"),)))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_whose_name_is_no_text_stays_at_home(simple: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff") / "a.blend"
    odd.parent.mkdir()
    odd.write_bytes(simple.read_bytes())
    assert prepare(odd, Wishes()).manifest.blend == "a.blend"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_jobs_name_can_be_shown_whatever_its_file_is_called(simple: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a\nb\x1b[2J\u202e ü.blend"
    odd.write_bytes(simple.read_bytes())
    assert prepare(odd, Wishes()).manifest.name == "a_b_[2J_ ü"
    assert prepare(odd, Wishes(name="x\ty")).manifest.name == "x_y"
