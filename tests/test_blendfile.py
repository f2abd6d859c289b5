import gzip
from pathlib import Path

import pytest

from coordinator import blendfile
from coordinator.errors import BadSceneError

BLEND = b"BLENDER-v405REND" + bytes(1000) + b"ENDB" + bytes(20)


@pytest.mark.parametrize(
    "data",
    [BLEND, b"BLENDER17-01v0500" + BLEND, BLEND + bytes(4096), gzip.compress(BLEND, mtime=0), b"\x28\xb5\x2f\xfd more"],
)
def test_what_may_be_a_blend_passes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "scene.blend").write_bytes(data)
    blendfile.check(tmp_path / "scene.blend")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"\x89PNG and so on", "is no .blend"),
        (b"BLENDER", "is truncated"),
        (BLEND[:500], "is truncated"),
        (gzip.compress(b"no scene", mtime=0), "no .blend is inside"),
        (gzip.compress(BLEND, mtime=0)[:12], "no .blend is inside"),
    ],
)
def test_what_cannot_be_one_is_named_with_the_reason(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "scene.blend").write_bytes(data)
    with pytest.raises(BadSceneError, match=rf"scene\.blend .*{why}"):
        blendfile.check(tmp_path / "scene.blend")


def test_what_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadSceneError, match="does not exist"):
        blendfile.check(tmp_path / "scene.blend")
    with pytest.raises(BadSceneError, match="is a folder"):
        blendfile.check(tmp_path)
