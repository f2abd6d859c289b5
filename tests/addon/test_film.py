"""The film that is played while it renders: what is there, what is a gap, and how frames become previews."""

from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy
import OpenEXR
import pytest

from blender_addon import exr, film

HEADER = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}


def preview(frame: int) -> film.Preview:
    return film.Preview(frame, numpy.zeros((2, 4, 4), numpy.float16))


def write(path: Path, channels: dict[str, Any]) -> Path:
    with OpenEXR.File(dict(HEADER), channels) as file:
        file.write(str(path))
    return path


def gradient(width: int, height: int, level: float) -> Any:
    return numpy.full((height, width), level, numpy.float32)


def combined(width: int = 8, height: int = 4, letters: str = "RGBA") -> dict[str, Any]:
    planes = {letter: gradient(width, height, level) for letter, level in zip(letters, (1, 2, 3, 0.5), strict=False)}
    return {f"ViewLayer.Combined.{letter}": plane for letter, plane in planes.items()}


def test_gaps_are_played_too_and_the_first_follows_the_last() -> None:
    shown = film.Film((1, 3, 5))
    shown.there[3] = preview(3)
    seen = []
    for _ in range(4):
        seen.append((shown.frame, shown.state(shown.frame)))
        shown.advance()
    assert seen == [(1, film.GAP), (3, film.THERE), (5, film.GAP), (1, film.GAP)]


def test_a_frame_that_came_after_all_has_not_failed() -> None:
    shown = film.Film((1,))
    shown.failed.add(1)
    assert shown.state(1) == film.FAILED
    shown.there[1] = preview(1)
    assert shown.state(1) == film.THERE


def test_the_strip_is_drawn_in_stretches() -> None:
    shown = film.Film(tuple(range(10, 20)))
    shown.there = {frame: preview(frame) for frame in (10, 11, 12, 15)}
    shown.failed = {13}
    assert list(shown.runs()) == [
        (film.THERE, 0, 3),
        (film.FAILED, 3, 1),
        (film.GAP, 4, 1),
        (film.THERE, 5, 1),
        (film.GAP, 6, 4),
    ]


def test_the_line_says_what_is_seen() -> None:
    shown = film.Film((1, 2))
    shown.there[2] = preview(2)
    assert shown.text() == "Frame 1 is not rendered yet   1 of 2 frames are here"
    shown.advance()
    assert shown.text() == "Frame 2   1 of 2 frames are here"


@pytest.mark.parametrize("frames", [1, 24, 250, 10_000])
def test_previews_of_a_whole_film_fit_into_memory(frames: int) -> None:
    width = film.preview_width(frames, 3840, 2160)
    assert 1 <= width <= film.WIDEST
    assert frames * width * (width * 2160 / 3840) * 8 <= film.MEMORY


def test_a_small_picture_stays_as_it_is(tmp_path: Path) -> None:
    planes = combined()
    planes["ViewLayer.Combined.R"][0] = 7  # the line at the top
    found = film.read(write(tmp_path / "1.exr", planes), 1, 1)
    assert found.size == (8, 4)
    assert found.pixels[-1, :, 0].tolist() == [7] * 8, "Blender has the line at the top last"
    assert found.pixels[0].tolist() == [[1, 2, 3, 0.5]] * 8


def test_a_large_picture_is_made_small(tmp_path: Path) -> None:
    found = film.read(write(tmp_path / "1.exr", combined(film.WIDEST * 3, 30)), 1, 1)
    assert found.size == (film.WIDEST, 10)


def test_what_is_brighter_than_half_floats_can_say_is_white(tmp_path: Path) -> None:
    planes = combined()
    planes["ViewLayer.Combined.G"][:] = 1e9
    found = film.read(write(tmp_path / "1.exr", planes), 1, 1)
    assert numpy.isfinite(found.pixels).all()


def test_without_alpha_it_covers_everything(tmp_path: Path) -> None:
    found = film.read(write(tmp_path / "1.exr", combined(letters="RGB")), 1, 1)
    assert (found.pixels[..., 3] == 1).all()


def test_other_passes_are_not_what_is_seen(tmp_path: Path) -> None:
    planes = {"ViewLayer.Normal.R": gradient(8, 4, 9), "ViewLayer.Depth.Z": gradient(8, 4, 9)} | combined()
    assert (film.read(write(tmp_path / "1.exr", planes), 1, 1).pixels[..., 0] == 1).all()


def test_a_frame_without_a_picture_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "1.exr", {"ViewLayer.Depth.Z": gradient(8, 4, 9)})
    with pytest.raises(exr.Unreadable, match="no combined pass"):
        film.read(path, 1, 1)


def test_previews_are_made_on_a_thread_and_a_broken_file_stops_none(tmp_path: Path) -> None:
    (tmp_path / "1.exr").write_bytes(b"no picture")
    write(tmp_path / "2.exr", combined())
    told: SimpleQueue[Any] = SimpleQueue()
    loader = film.Loader(2, told.put)
    try:
        loader.load(1, tmp_path / "1.exr")
        loader.load(2, tmp_path / "2.exr")
        first, second = told.get(timeout=60), told.get(timeout=60)
    finally:
        loader.stop()
    assert isinstance(first, exr.Unreadable)
    assert isinstance(second, film.Preview) and second.frame == 2
