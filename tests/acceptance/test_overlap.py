"""While a frame renders, the previous result uploads: by the slave's own timestamps."""

from pathlib import Path

import pytest

from coordinator.protocol.frames import FrameRange
from tests import scenes
from tests.process_farm import process_farm

pytestmark = pytest.mark.blender

FRAMES = "1-6"


def test_the_previous_result_uploads_while_a_frame_renders(tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "scene.blend", frames=6, width=320, height=180, samples=64)
    with process_farm(tmp_path / "farm", ["slave-1"]) as farm:
        farm.submit(blend, "--chunk", "6", "--wait")
        spans = farm.spans()
    renders = {span["frame"]: span for span in spans if span["span"] == "render"}
    uploads = {span["frame"]: span for span in spans if span["span"] == "upload"}
    assert list(renders) == list(FrameRange.parse(FRAMES)), "one after the other, by one slave"
    for frame in range(1, 6):
        upload, following = uploads[frame], renders[frame + 1]
        assert upload["start"] < following["end"] and following["start"] < upload["end"], f"frame {frame}"
