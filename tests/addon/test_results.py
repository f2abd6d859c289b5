"""Results as slaves write them, read without Blender."""

import struct
from pathlib import Path

import numpy
import OpenEXR
import pytest

from blender_addon import exr

from .. import exr as reference
from .. import reference as local
from .. import scenes


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every pass of two layers and two views, as this Blender writes it."""
    folder = tmp_path_factory.mktemp("result")
    blend = scenes.build("identity", folder / "identity.blend", frames=1, width=50, height=37, samples=2)
    return local.render(blend, folder) / "0001.exr"


@pytest.mark.blender
def test_every_channel_is_as_openexr_reads_it(result: Path) -> None:
    reader = exr.Reader(result)
    pixels = reader.pixels()
    theirs = reference.read(result)
    assert len(pixels) == len(theirs) > 200
    for (view, channel), plane in pixels.items():
        if reader.multipart:
            (name,) = [each for each in theirs if each.startswith(f"{view} ") and each.endswith(f" {channel}")]
        else:
            name = channel
        assert plane.dtype == theirs[name].dtype
        assert plane.tobytes() == theirs[name].tobytes(), name
    assert any(name.startswith("cryptomatte/") for name in reader.texts)


@pytest.mark.parametrize("compression", ["NO_COMPRESSION", "ZIPS_COMPRESSION", "ZIP_COMPRESSION"])
@pytest.mark.parametrize("kind", ["float32", "float16", "uint32"])
def test_the_compressions_that_blender_may_write(tmp_path: Path, compression: str, kind: str) -> None:
    """Noise, which no compression makes smaller, and one colour, which all do."""
    path = tmp_path / "a.exr"
    random = numpy.random.default_rng(1)
    channels = {
        "noise.Z": random.integers(0, 2**15, (35, 21)).astype(kind),
        "plain.Z": numpy.full((35, 21), 3, kind),
    }
    header = {"compression": getattr(OpenEXR, compression), "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, dict(channels)) as file:  # it changes what it is given
        file.write(str(path))
    pixels = exr.Reader(path).pixels()
    assert {name for _, name in pixels} == set(channels)
    for name, plane in channels.items():
        assert pixels["", name].tobytes() == plane.tobytes()


def written(path: Path, compression: object = OpenEXR.ZIP_COMPRESSION) -> bytes:
    header = {"compression": compression, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"Z": numpy.arange(4096, dtype="float32").reshape(64, 64)}) as file:
        file.write(str(path))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: b"no picture", "is not an OpenEXR file"),
        (lambda data: data[:2], "its end is missing"),
        (lambda data: data[:60], "its end is missing"),
        (lambda data: data[:-30], "its end is missing"),
        (lambda data: data[:-30] + bytes(30), "is damaged"),
        (lambda data: data[:4] + struct.pack("<I", 2 | 0x200) + data[8:], "has tiles"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, change: "object", said: str) -> None:
    path = tmp_path / "a.exr"
    assert callable(change)
    path.write_bytes(change(written(path)))
    with pytest.raises(exr.Unreadable, match=said) as caught:
        exr.Reader(path).pixels()
    assert str(path) in str(caught.value)


def test_a_compression_that_no_slave_uses(tmp_path: Path) -> None:
    written(tmp_path / "a.exr", OpenEXR.PIZ_COMPRESSION)
    with pytest.raises(exr.Unreadable, match="compressed in a way"):
        exr.Reader(tmp_path / "a.exr")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(exr.Unreadable, match=r"a\.exr cannot be read: No such file"):
        exr.Reader(tmp_path / "a.exr")
