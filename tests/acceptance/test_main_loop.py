"""The main job, with real processes and real Blender: what goes in comes back as a local render would have given it."""

from pathlib import Path

import pytest

from coordinator.protocol.states import JobState
from tests import exr, reference, scenes
from tests.process_farm import process_farm

pytestmark = pytest.mark.blender

SLAVES = ["slave-1", "slave-2"]


def assert_identical(frames: list[Path], local: Path, count: int) -> None:
    assert len(frames) == count
    for frame in frames:
        assert exr.differences(local / frame.name, frame) == []


def test_every_channel_of_every_frame_equals_the_local_render(tmp_path: Path) -> None:
    """Two view layers, every Cycles pass, Cryptomatte, AOV, light group, denoising data, motion blur, depth of field,
    stereo views, a border, a transparent film."""
    blend = scenes.build("identity", tmp_path / "identity.blend")
    local = reference.render(blend, tmp_path / "local", "1-6")
    with process_farm(tmp_path / "farm", SLAVES) as farm:
        job = farm.submit(blend, "--chunk", "1")
        frames = farm.gather(job, tmp_path / "frames")
        shares = farm.client.job(job).slaves
    assert_identical(frames, local, 6)
    assert set(shares) == set(SLAVES), "both slaves took part"


def test_two_clients_with_different_files_and_the_first_gathers_later(tmp_path: Path) -> None:
    first = scenes.build("simple", tmp_path / "first.blend", frames=8)
    second = scenes.build("camera_cuts", tmp_path / "second.blend")
    with process_farm(tmp_path / "farm", SLAVES) as farm:
        early = farm.submit(first)  # this client exits at once
        late = farm.submit(second, "--wait", "--output", str(tmp_path / "late"), "--frames", "1-6")
        assert early != late
        frames = farm.gather(early, tmp_path / "early")
        assert farm.client.job(early).state is JobState.FINISHED
    assert_identical(frames, reference.render(first, tmp_path / "local-1", "1-8"), 8)
    assert_identical(
        sorted((tmp_path / "late").glob("*.exr")), reference.render(second, tmp_path / "local-2", "1-6"), 6
    )
