"""Compressed .blend files are sent without their compression."""

import random
from pathlib import Path

import pytest
import zstandard

from coordinator.submission import Wishes, prepare
from coordinator.unpacking import unpacked

from . import scenes

DATA = b"BLENDER" + random.Random(2).randbytes(1000) * 3000


def packed(data: bytes) -> bytes:
    """In frames, as Blender writes them."""
    half = len(data) // 2
    return b"".join(zstandard.ZstdCompressor().compress(part) for part in (data[:half], data[half:]))


def test_what_is_compressed_is_unpacked(tmp_path: Path) -> None:
    blend = tmp_path / "a.blend"
    blend.write_bytes(packed(DATA))
    found = unpacked(blend, tmp_path / "cache")
    assert found != blend and found.read_bytes() == DATA
    assert blend.read_bytes() == packed(DATA)
    assert list((tmp_path / "cache").iterdir()) == [found]


@pytest.mark.parametrize("data", [DATA, b"", packed(DATA)[:4] + b"damaged"])
def test_everything_else_is_sent_as_it_is(tmp_path: Path, data: bytes) -> None:
    blend = tmp_path / "a.blend"
    blend.write_bytes(data)
    assert unpacked(blend, tmp_path / "cache") == blend


@pytest.mark.blender
def test_a_job_has_the_scene_without_compression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compressed = "bpy.context.preferences.filepaths.use_file_compression = True"
    blend = scenes.build("simple", tmp_path / "z.blend", then=compressed)
    assert blend.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    prepared = prepare(blend, Wishes())
    (source,) = prepared.sources.values()
    assert source.read_bytes()[:7] == b"BLENDER"
    assert prepared.manifest.files[0].size == source.stat().st_size
    assert prepared.manifest.blend == "z.blend"
