"""What a client learns of a .blend, and files that are elsewhere than the .blend says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from .. import exr, scenes
from .renderers import RendererProcess

pytestmark = pytest.mark.blender

SceneFile = Callable[[str], Path]
StartRenderer = Callable[[], RendererProcess]


@frozen
class Project:
    """A folder with a scene that uses files of many kinds."""

    folder: Path
    blend: Path


# Paths are stored as an artist's Blender does: relative to the .blend, but for the texture "far".
PROJECT = """
from pathlib import Path
folder = Path({folder!r})

def picture(path, color):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("tmp", 4, 4)
    image.generated_color = color
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)

def show(image, source="FILE"):
    image.source = source
    tree = bpy.data.materials["Red"].node_tree
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    return node

def used(path, stored):
    image = bpy.data.images.load(str(path))
    image.filepath = stored
    return image

picture(folder / "far" / "texture.png", (0, 1, 0, 1))
far = used(folder / "far" / "texture.png", str(folder / "far" / "texture.png"))
node = show(far)
tree = bpy.data.materials["Red"].node_tree
tree.links.new(node.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Emission Color"])
tree.nodes["Principled BSDF"].inputs["Emission Strength"].default_value = 1.0
for number in range(1, 9):
    picture(folder / "project" / "seq" / f"s.{{number:03d}}.png", (1, 0, 0, 1))
node = show(used(folder / "project" / "seq" / "s.001.png", "//seq/s.001.png"), "SEQUENCE")
node.image_user.frame_duration, node.image_user.frame_start = 5, 1
(folder / "project" / "seq" / "s.003.png").unlink()
for tile in (1001, 1002):
    picture(folder / "project" / f"tiles.{{tile}}.png", (0, 0, 1, 1))
tiled = used(folder / "project" / "tiles.1001.png", "//tiles.<UDIM>.png")
show(tiled, "TILED")
if 1002 not in [tile.number for tile in tiled.tiles]:
    tiled.tiles.new(1002)
picture(folder / "gone.png", (1, 1, 1, 1))
show(used(folder / "gone.png", "//../gone.png")).image.name = "Gone"
picture(folder / "packed.png", (1, 1, 1, 1))
packed = used(folder / "packed.png", str(folder / "packed.png"))
packed.pack()
show(packed)
unused = used(folder / "packed.png", str(folder / "unused.png"))
unused.use_fake_user = True
show(bpy.data.images.new("generated", 4, 4), "GENERATED")
(folder / "gone.png").unlink()
(folder / "packed.png").unlink()
for path in ("lib.blend", "project/lost.blend"):
    other = bpy.data.objects.new("Linked", None)
    bpy.data.libraries.write(str(folder / path), {{other}})
    bpy.data.objects.remove(other)
    with bpy.data.libraries.load(str(folder / path), link=True) as (_, wanted):
        wanted.objects = ["Linked"]
    scene.collection.objects.link(wanted.objects[0])
for library in bpy.data.libraries:
    library.filepath = "//../lib.blend" if "lib" in library.filepath else "//lost.blend"
(folder / "project" / "lost.blend").unlink()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("artist")
    (folder / "project").mkdir()
    blend = folder / "project" / "scene.blend"
    scenes.build("simple", blend, then=PROJECT.format(folder=str(folder)))
    return Project(folder, blend)


def paths(answer: dict[str, Any], key: str) -> dict[str, str]:
    """kind, by the path relative to nothing in particular: its last two parts."""
    return {"/".join(Path(file["path"]).parts[-2:]): file["kind"] for file in answer[key]}


def test_what_renders(renderer: RendererProcess, scene_file: SceneFile) -> None:
    answer = renderer.inspect(scene_file("identity"))
    assert answer["blender"] == ".".join(renderer.ready["blender"].split(".")[:2])
    assert (answer["scene"], answer["scenes"]) == ("Scene", ["Scene"])
    assert answer["engine"] == "CYCLES"
    assert answer["engines"] == renderer.ready["engines"]
    assert len(answer["view_layers"]) == 2
    assert answer["view_layers"][1] == "Second"
    assert answer["camera"] is True
    assert answer["frames"] == [1, 6, 1]
    assert answer["features"] == answer["files"] == answer["missing"] == []


def test_no_camera_is_told_and_not_refused(renderer: RendererProcess, tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "s.blend", then="scene.camera = None")
    assert renderer.inspect(blend)["camera"] is False


@pytest.mark.parametrize(
    ("then", "features"),
    [
        ("scene.cycles.use_denoising = True", ["denoiser"]),
        ("scene.cycles.use_denoising = True; scene.view_layers[0].cycles.use_denoising = False", []),
        ("scene.cycles.use_denoising = True; scene.render.engine = 'BLENDER_WORKBENCH'", []),
        ("scene.view_layers[0].cycles.denoising_store_passes = True", []),
    ],
)
def test_what_needs_a_denoiser(renderer: RendererProcess, tmp_path: Path, then: str, features: list[str]) -> None:
    blend = scenes.build("simple", tmp_path / "s.blend", then=then)
    assert renderer.inspect(blend)["features"] == features


def test_every_file_is_listed(renderer: RendererProcess, project: Project) -> None:
    answer = renderer.inspect(project.blend)
    assert paths(answer, "files") == {
        "far/texture.png": "image",
        "seq/s.001.png": "image",
        "seq/s.002.png": "image",
        "seq/s.004.png": "image",
        "seq/s.005.png": "image",
        "project/tiles.1001.png": "image",
        "project/tiles.1002.png": "image",
        f"{project.folder.name}/lib.blend": "library",
    }
    stored = {file["stored"] for file in answer["files"]}
    assert {"//seq/s.001.png", "//tiles.<UDIM>.png", "//../lib.blend"} < stored
    assert all(Path(file["path"]).is_absolute() for file in answer["files"])


def test_missing_files_are_named(renderer: RendererProcess, project: Project) -> None:
    missing = renderer.inspect(project.blend)["missing"]
    found = {(file["kind"], file["name"], Path(file["path"]).name) for file in missing}
    assert ("image", "Gone", "gone.png") in found
    assert ("library", "lost.blend", "lost.blend") in found
    assert ("image", "s.001.png", "s.003.png") in found
    assert len(found) == len(missing) == 3


def mapping(blend: Path, stored: object, path: Path) -> dict[str, str]:
    return {"blend": str(blend), "stored": str(stored), "path": str(path)}


def test_mapped_files_are_found(start_renderer: StartRenderer, project: Project, tmp_path: Path) -> None:
    """The texture's path means nothing on a slave; the picture must be the artist's all the same."""
    original, lost, mapped = (start_renderer() for _ in range(3))
    tree = tmp_path / "tree"
    moved = tree / "files" / "any-name.png"
    moved.parent.mkdir(parents=True)
    texture = project.folder / "far" / "texture.png"
    data = texture.read_bytes()
    blend = tree / "scene.blend"
    blend.write_bytes(project.blend.read_bytes())
    moved.write_bytes(data)
    original.open(project.blend)
    assert original.render(1, tmp_path / "original.exr")["type"] == "rendered"
    texture.unlink()
    try:
        lost.open(blend)
        lost.render(1, tmp_path / "lost.exr")
        assert mapped.open(blend, mapped=[mapping(blend, texture, moved)])["type"] == "opened"
        assert mapped.render(1, tmp_path / "mapped.exr")["type"] == "rendered"
    finally:
        texture.write_bytes(data)
    assert exr.differences(tmp_path / "original.exr", tmp_path / "lost.exr")
    assert not exr.differences(tmp_path / "original.exr", tmp_path / "mapped.exr")


LINKING = """
from pathlib import Path
path = Path({library!r})
path.parent.mkdir(parents=True)
thing = bpy.data.objects["Cube"]
bpy.data.libraries.write(str(path), {{thing}})
bpy.data.objects.remove(thing)
with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
    wanted.objects = ["Cube"]
scene.collection.objects.link(wanted.objects[0])
"""


def test_a_mapped_library_is_found(start_renderer: StartRenderer, tmp_path: Path) -> None:
    library = tmp_path / "far" / "lib.blend"
    blend = scenes.build("simple", tmp_path / "s.blend", then=LINKING.format(library=str(library)))
    original, lost, mapped = (start_renderer() for _ in range(3))
    (stored,) = {file["stored"] for file in start_renderer().inspect(blend)["files"]}
    original.open(blend)
    original.render(1, tmp_path / "original.exr")
    moved = tmp_path / "moved.blend"
    library.rename(moved)
    lost.open(blend)
    lost.render(1, tmp_path / "lost.exr")
    assert mapped.open(blend, mapped=[mapping(blend, stored, moved)])["type"] == "opened"
    mapped.render(1, tmp_path / "mapped.exr")
    assert exr.differences(tmp_path / "original.exr", tmp_path / "lost.exr")
    assert not exr.differences(tmp_path / "original.exr", tmp_path / "mapped.exr")


def test_caches_on_disk_are_listed(renderer: RendererProcess, tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "s.blend")
    cache = tmp_path / "blendcache_s" / "cloth_000001_00.bphys"
    cache.parent.mkdir()
    cache.write_bytes(b"x")
    (file,) = renderer.inspect(blend)["files"]
    assert (file["kind"], file["stored"]) == ("point cache", "")
    assert (file["path"], file["target"]) == (str(cache), str(cache.parent))


OUTSIDE = """
import shutil
from pathlib import Path
folder = Path({folder!r})
image = bpy.data.images.new("tmp", 4, 4)
image.filepath_raw, image.file_format = str(folder / "secret.png"), "PNG"
image.save()
bpy.data.images.remove(image)
image = bpy.data.images.load(str(folder / "secret.png"))
tree = bpy.data.materials["Red"].node_tree
node = tree.nodes.new("ShaderNodeTexImage")
node.image = image
tree.links.new(node.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Emission Color"])
tree.nodes["Principled BSDF"].inputs["Emission Strength"].default_value = 1.0
"""


def test_nothing_outside_the_jobs_files_is_read(start_renderer: StartRenderer, tmp_path: Path) -> None:
    """A path that nobody mapped leads to a file that this machine happens to have."""
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    tree.mkdir()
    outside.mkdir()
    blend = scenes.build("simple", tree / "s.blend", then=OUTSIDE.format(folder=str(outside)))
    reads, confined, lacks = (start_renderer() for _ in range(3))
    reads.open(blend)
    reads.render(1, tmp_path / "reads.exr")
    confined.open(blend, inside=[str(tree)])
    confined.render(1, tmp_path / "confined.exr")
    (outside / "secret.png").unlink()
    lacks.open(blend)
    lacks.render(1, tmp_path / "lacks.exr")
    assert exr.differences(tmp_path / "reads.exr", tmp_path / "confined.exr")
    assert not exr.differences(tmp_path / "lacks.exr", tmp_path / "confined.exr")


def test_a_library_outside_the_jobs_files_is_refused(renderer: RendererProcess, tmp_path: Path) -> None:
    library = tmp_path / "far" / "lib.blend"
    tree = tmp_path / "tree"
    tree.mkdir()
    blend = scenes.build("simple", tree / "s.blend", then=LINKING.format(library=str(library)))
    answer = renderer.open(blend, inside=[str(tree)])
    assert (answer["type"], answer["code"]) == ("error", "bad-scene")
    assert "lib.blend is not among the job's files" in answer["message"]
