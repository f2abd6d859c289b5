"""A drive that client and slaves share: what is on it is used in place and not sent, and results are written to it."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from attrs import frozen

from coordinator.protocol.states import JobState
from tests import exr, reference, scenes
from tests.process_farm import NETRENDER, ROOT, process_farm

pytestmark = pytest.mark.blender

TEXTURES = """
drive = {drive!r}
tree = scene.objects["Cube"].material_slots[0].material.node_tree
shader = tree.nodes["Principled BSDF"]
for name, stored, socket in (
    ("wood.png", drive + "/tex/wood.png", "Base Color"),
    ("glow.png", "//../drive/tex/glow.png", "Emission Color"),
):
    image = bpy.data.images.new("tmp", 4, 4)
    image.pixels[:] = [v for n in range(16) for v in (n / 16, len(name) % 2, 1 - n / 16, 1)]
    image.filepath_raw, image.file_format = drive + "/tex/" + name, "PNG"
    image.save()
    bpy.data.images.remove(image)
    image = bpy.data.images.load(drive + "/tex/" + name)
    image.filepath = stored
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    tree.links.new(node.outputs["Color"], shader.inputs[socket])
shader.inputs["Emission Strength"].default_value = 1
"""


@frozen
class Project:
    """A scene on the client's own disk, its textures on the drive, and what it looks like."""

    blend: Path
    drive: Path
    local: Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    drive = tmp_path / "drive"
    (tmp_path / "film").mkdir()
    (drive / "renders").mkdir(parents=True)
    (drive / "tex").mkdir()
    then = TEXTURES.format(drive=str(drive))
    blend = scenes.build("simple", tmp_path / "film" / "scene.blend", frames=2, then=then)
    return Project(blend, drive, reference.render(blend, tmp_path / "local", "1-2"))


def assert_identical(one: Path, other: Path) -> None:
    names = [path.name for path in sorted(one.iterdir())]
    assert names == ["0001.exr", "0002.exr"]
    for name in names:
        assert exr.differences(one / name, other / name) == []


def test_a_slave_that_has_the_drive_elsewhere(project: Project, tmp_path: Path) -> None:
    textures = [path.read_bytes() for path in (project.drive / "tex").iterdir()]
    mounted = tmp_path / "mnt on the slave"
    with process_farm(tmp_path / "farm") as farm:
        options = ("--shared", str(project.drive), "--results-to", str(project.drive / "renders" / "film"))
        job = farm.submit(project.blend, *options)
        project.drive.rename(mounted)
        maps = f"{project.drive}={mounted}", f"{project.drive / 'renders'}={mounted / 'renders'}"
        farm.start_slave("anna", 1, "--path-map", maps[0], "--results-folder", maps[1])
        farm.gather(job, tmp_path / "gathered")
        assert [file.path for file in farm.client.manifest(job).files] == ["scene.blend"]
        kept = {path.name for path in (farm.folder).rglob("*") if path.is_file()}

        refused = farm.submit(project.blend, "--shared", str(mounted), "--allow-missing", "--results-to", "/srv/no")
        farm.gather(refused, tmp_path / "refused")
        log = farm.client.log(refused, 1).decode()
        assert farm.client.job(refused).state is JobState.FINISHED
    assert_identical(tmp_path / "gathered", project.local)
    assert len(textures) == 2 and not {hashlib.sha256(data).hexdigest() for data in textures} & kept
    written = mounted / "renders" / "film"
    assert {path.name: path.read_bytes() for path in written.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "gathered").iterdir()
    }
    assert "warning: the result is not in /srv/no: this slave may not write there" in log
    # The same scene where the textures are nowhere: what the comparison would see if the map did not work.
    assert exr.differences(tmp_path / "refused" / "0001.exr", project.local / "0001.exr") != []


def test_render_on_one_machine_needs_no_maps(project: Project, tmp_path: Path) -> None:
    written = tmp_path / "renders" / "v1"
    options = ["--shared", str(project.drive), "--results-to", str(written), "--output", str(tmp_path / "out")]
    command = [*NETRENDER, "render", str(project.blend), *options, "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    for folder in (tmp_path / "out", written):
        assert_identical(folder, project.local)
