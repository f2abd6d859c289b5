"""Frame ranges: what is read, how it is written, and that the compact form is the plain list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.errors import BadFramesError
from coordinator.protocol.frames import FIRST_FRAME, LAST_FRAME, FrameRange

numbers = st.integers(-300, 300)
frame_sets = st.frozensets(numbers, min_size=1, max_size=60)


@st.composite
def spans(draw: st.DrawFn) -> tuple[str, range]:
    """The text of a part, and the frames that it stands for."""
    first, count, step = draw(numbers), draw(st.integers(1, 40)), draw(st.integers(1, 7))
    slack = draw(st.integers(0, step - 1))  # a range need not end on a frame of its own
    if count == 1 and draw(st.booleans()):
        return str(first), range(first, first + 1)
    last = first + (count - 1) * step + slack
    return f"{first}-{last}" + (f"x{step}" if step > 1 else ""), range(first, last + 1, step)


@given(st.lists(spans(), min_size=1, max_size=6), st.sampled_from([",", ", ", " ", " ,, "]))
def test_the_text_stands_for_its_frames(parts: list[tuple[str, range]], separator: str) -> None:
    found = FrameRange.parse(separator.join(text for text, _ in parts))
    expected = sorted({frame for _, frames in parts for frame in frames})
    assert list(found) == expected and len(found) == len(expected)
    assert [found[index] for index in range(len(found))] == expected
    assert [found.position(frame) for frame in expected] == list(range(len(expected)))
    assert {frame for frame in range(-400, 700) if frame in found} == set(expected)


@given(st.lists(spans(), min_size=1, max_size=6))
def test_what_is_written_is_read_as_the_same(parts: list[tuple[str, range]]) -> None:
    found = FrameRange.parse(",".join(text for text, _ in parts))
    again = FrameRange.parse(str(found))
    assert again == found and str(again) == str(found)


@given(frame_sets)
def test_any_set_of_frames_has_a_text(frames: frozenset[int]) -> None:
    assert list(FrameRange.parse(str(FrameRange.of(frames)))) == sorted(frames)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1-24,30,40-60x2", "1-24,30,40-60x2"),
        ("30, 1-24", "1-24,30"),
        ("1,2,3", "1,2,3"),
        ("1-3,2-5", "1-5"),
        ("1-10x4", "1-9x4"),
        ("5-5", "5"),
        ("007", "7"),
        ("-3--1", "-3--1"),
        ("-5-5x5", "-5-5x5"),
        ("1-4x1", "1-4"),
        (f"{FIRST_FRAME}-{LAST_FRAME}", f"{FIRST_FRAME}-{LAST_FRAME}"),
    ],
)
def test_the_canonical_form(text: str, canonical: str) -> None:
    assert str(FrameRange.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" , ,", "empty"),
        ("4-1", "backwards; write 1-4"),
        ("1-4x0", "step"),
        ("a", "'a' is not a frame"),
        ("1-", "'1-' is not"),
        ("1..4", "is not"),
        ("1x2", "is not"),
        ("1-4x-1", "is not"),
        ("1.5", "is not"),
        ("٣", "is not"),
        ("1-4;5", "is not"),
        (str(LAST_FRAME + 1), f"the last is {LAST_FRAME}"),
        (f"{FIRST_FRAME - 1}-1", "no frame"),
        ("9" * 5000, "is not"),
        ("1-1000000," * 10_000, "overlap too much"),
    ],
)
def test_what_is_no_range_is_named(text: str, says: str) -> None:
    with pytest.raises(BadFramesError) as caught:
        FrameRange.parse(text)
    assert says in caught.value.message and len(caught.value.message) < 400


def test_a_scenes_own_range() -> None:
    assert list(FrameRange.between(1, 10, 3)) == [1, 4, 7, 10]
    with pytest.raises(BadFramesError, match="backwards"):
        FrameRange.between(10, 1)
    with pytest.raises(BadFramesError, match="step"):
        FrameRange.between(1, 10, 0)


def test_a_million_frames_are_one_span() -> None:
    found = FrameRange.parse("1-1000000")
    assert len(found) == 1_000_000 and len(found.spans) == 1 and found[999_999] == 1_000_000


def test_frames_that_are_not_in_it() -> None:
    found = FrameRange.parse("1-9x4,20")
    assert 6 not in found and 0 not in found and 21 not in found
    for index in (-1, 4):
        with pytest.raises(IndexError):
            found[index]
    with pytest.raises(KeyError):
        found.position(6)
