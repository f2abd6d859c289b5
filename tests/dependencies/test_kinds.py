"""Every kind of dependency, on slaves that share no disk with the client: identical to the local render."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy
import pytest
from attrs import frozen

from coordinator.protocol.frames import FrameRange
from coordinator.protocol.jobs import Manifest
from coordinator.slave.rooms import TREE
from tests import exr, reference
from tests.process_farm import process_farm

pytestmark = pytest.mark.blender

BUILDER = Path(__file__).with_name("scene.py")
COLUMNS, PIXELS = 6, 12  # of the picture; as in the builder
FRAMES = "2-3"

# Their tile is the same without any file: the first has none, and not every Blender can do the others.
PACKED = {"image_that_is_packed"}  # needs no file
DEPENDING = {"osl_script": ".osl", "geometry_nodes_import": ".stl", "geometry_nodes_path_input": ".stl"}


@frozen
class Rendered:
    """The scene, rendered three times."""

    tiles: list[str]
    local: Path  # folder of frames
    farm: Path  # the same from the farm, while the client's folder was away
    lost: Path  # locally, without any of the files
    manifest: Manifest
    trees: list[set[str]]  # the files that each slave got

    def differing(self, other: Path) -> set[str]:
        """Tiles that are not the local render's in some frame."""
        return {tile for frame in FrameRange.parse(FRAMES) for tile in self._differing(f"{frame:04d}.exr", other)}

    def _differing(self, name: str, other: Path) -> set[str]:
        one, two = exr.read(self.local / name), exr.read(other / name)
        assert one.keys() == two.keys()
        found = set()
        for number, tile in enumerate(self.tiles):
            row, column = divmod(number, COLUMNS)
            part = slice(row * PIXELS, (row + 1) * PIXELS), slice(column * PIXELS, (column + 1) * PIXELS)
            if any(not numpy.array_equal(one[channel][part], two[channel][part]) for channel in one):
                found.add(tile)
        return found


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    folder = tmp_path_factory.mktemp("dependencies")
    client, away = folder / "client", folder / "away"
    done = subprocess.run([sys.executable, str(BUILDER), str(client)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    tiles = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("tiles:"))[len("tiles:") :])
    blend = client / "film" / "scene.blend"
    local = reference.render(blend, folder / "local", FRAMES, threads=1)
    with process_farm(folder / "farm") as farm:
        job = farm.submit(blend, "--chunk", "1", "--frames", FRAMES)
        client.rename(away)
        for slave in ("first", "second"):
            farm.start_slave(slave)
        farm.gather(job, folder / "gathered")
        manifest = farm.client.manifest(job)
        trees = [farm.folder / slave / "cache" / "jobs" / job / TREE for slave in ("first", "second")]
        found = [{path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()} for tree in trees]
    alone = shutil.copytree(away, folder / "alone", ignore=lambda path, names: {*names} - {"film", "scene.blend"})
    lost = reference.render(alone / "film" / "scene.blend", folder / "lost", FRAMES, threads=1)
    return Rendered(tiles, local, folder / "gathered", lost, manifest, found)


def test_every_kind_renders_as_it_does_locally(rendered: Rendered) -> None:
    assert rendered.differing(rendered.farm) == set()


def test_every_kind_would_be_missed(rendered: Rendered) -> None:
    """What the test above would see of a file that did not travel."""
    sent = {Path(file.path).suffix for file in rendered.manifest.files}
    cannot = {tile for tile, suffix in DEPENDING.items() if suffix not in sent}  # this Blender does not have it
    assert rendered.differing(rendered.lost) == set(rendered.tiles) - cannot - PACKED


def names(files: Iterable[str], folder: str) -> set[str]:
    return {path.rpartition("/")[2] for path in files if folder in path.split("/")}


def test_only_the_frames_that_are_rendered_are_sent(rendered: Rendered) -> None:
    paths = [file.path for file in rendered.manifest.files]
    assert names(paths, "image_sequence") == {"s.0003.png", "s.0004.png"}  # its user adds one
    assert names(paths, "far away") == {"f.0002.png", "f.0003.png"}
    assert names(paths, "volume_sequence") == {"v_002.vdb", "v_003.vdb"}
    assert names(paths, "ocean") == {"disp_0002.exr", "disp_0003.exr"}


def test_what_makes_no_pixel_of_the_result_is_not_sent(rendered: Rendered) -> None:
    assert names((file.path for file in rendered.manifest.files), "unseen") == {"sound.wav"}


def test_a_slave_gets_the_files_of_its_own_frames(rendered: Rendered) -> None:
    ranges = {file.path: file.frames for file in rendered.manifest.files if file.frames}
    assert ranges
    for tree in rendered.trees:
        frames = {ranges[path] for path in tree if path in ranges}
        assert frames in ({"2"}, {"3"}, {"2", "3"}, set())
        for frame in frames:
            assert {path for path, needing in ranges.items() if needing == frame} <= tree
    common = {file.path for file in rendered.manifest.files if not file.frames}
    assert any(common <= tree for tree in rendered.trees)
