"""What the renderer writes is what a local render(animation=True) writes, bit for bit, in any order of frames."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .. import exr, reference
from .renderers import RendererProcess

pytestmark = pytest.mark.blender

SceneFile = Callable[[str], Path]
StartRenderer = Callable[[], RendererProcess]
SHUFFLED = ((5, 2, 6), (3, 1, 4))  # frames for the first and for the second renderer


def render_shuffled(start: StartRenderer, blend: Path, folder: Path) -> None:
    for frames in SHUFFLED:
        renderer = start()
        assert renderer.open(blend)["type"] == "opened"
        for frame in frames:
            answer = renderer.render(frame, folder / f"{frame:04d}.exr")
            assert answer["type"] == "rendered", answer
            assert answer["frame"] == frame


def assert_identical(local: Path, farm: Path) -> None:
    frames = sorted(path.name for path in local.iterdir())
    assert frames == sorted(path.name for path in farm.iterdir())
    assert len(frames) == 6
    found = {name: lines for name in frames if (lines := exr.differences(local / name, farm / name))}
    assert not found


@pytest.mark.parametrize("scene", ["identity", "camera_cuts", "animated_settings"])
def test_frames_out_of_order_equal_a_local_animation(
    scene: str, scene_file: SceneFile, start_renderer: StartRenderer, tmp_path: Path
) -> None:
    blend = scene_file(scene)
    local, farm = tmp_path / "local", tmp_path / "farm"
    farm.mkdir()
    reference.render(blend, local, threads=1)
    render_shuffled(start_renderer, blend, farm)
    assert_identical(local, farm)


def test_frames_are_not_all_the_same(scene_file: SceneFile, tmp_path: Path) -> None:
    """Or the comparison above would prove nothing."""
    for scene in ("identity", "camera_cuts", "animated_settings"):
        reference.render(scene_file(scene), tmp_path / scene, "2-3")
        assert exr.differences(tmp_path / scene / "0002.exr", tmp_path / scene / "0003.exr")


def test_the_identity_scene_has_what_it_promises(scene_file: SceneFile, tmp_path: Path) -> None:
    reference.render(scene_file("identity"), tmp_path, "1")
    channels = exr.read(tmp_path / "0001.exr")
    names = " ".join(channels)
    assert len(channels) > 150
    for wanted in ("Second", "Crypto", "Facing", "key", "Denoising", "left", "right", "Vector", "Volume", "Mist"):
        assert wanted in names, wanted
    blank = [name for name, pixels in channels.items() if ".Combined" in name and not pixels.any()]
    assert not blank
    assert {pixels.shape for pixels in channels.values()} == {(31, 48)}  # cropped to the border


def test_settings_of_the_job_replace_those_of_the_scene(
    renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path
) -> None:
    blend = scene_file("identity")
    reference.render(blend, tmp_path / "local", "4", percentage=50, samples=2, view_layer="Second")
    opened = renderer.open(blend, percentage=50, samples=2, view_layers=["Second"])
    assert opened["type"] == "opened"
    renderer.render(4, tmp_path / "0004.exr")
    assert not exr.differences(tmp_path / "local" / "0004.exr", tmp_path / "0004.exr")


def test_another_engine(renderer: RendererProcess, scene_file: SceneFile, tmp_path: Path) -> None:
    """Workbench must draw with OpenGL, which not every machine has; then the answer must be an error, not silence."""
    assert renderer.open(scene_file("simple"), engine="BLENDER_WORKBENCH")["type"] == "opened"
    output = tmp_path / "0001.exr"
    answer = renderer.render(1, output)
    assert (answer["type"] == "rendered") == output.exists()
