"""Which frames Blender may write next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.gathering import Gathering, Run, first_run, is_one_run


def gathering(*frames: int, whole: bool = False) -> Gathering:
    return Gathering({frame: frozenset({("Scene", frame)}) for frame in frames}, whole)


def test_frames_are_written_in_their_order() -> None:
    frames = gathering(1, 2, 3, 4)
    assert frames.next_run() is None
    frames.arrive(("Scene", 2))
    frames.arrive(("Scene", 4))
    assert frames.next_run() is None, "the first is not there yet"
    frames.arrive(("Scene", 1))
    run = frames.next_run()
    assert run == Run(1, 2)
    frames.wrote(run)
    assert frames.next_run() is None
    frames.arrive(("Scene", 3))
    assert frames.next_run() == Run(3, 4)


def test_a_frame_that_failed_is_left_out() -> None:
    frames = gathering(1, 2, 3)
    for frame in (1, 3):
        frames.arrive(("Scene", frame))
    frames.fail(("Scene", 2), "no memory")
    assert frames.failed == {2: "no memory"}
    assert frames.next_run() == Run(1, 1)
    frames.wrote(Run(1, 1))
    assert frames.next_run() == Run(3, 3)
    frames.requeue(("Scene", 2))
    assert frames.next_run() is None, "it is tried again, so the third waits"


def test_a_movie_begins_when_all_frames_are_there() -> None:
    frames = gathering(1, 3, 5, whole=True)
    for frame in (1, 3):
        frames.arrive(("Scene", frame))
    assert frames.next_run() is None
    frames.arrive(("Scene", 5))
    assert frames.next_run() == Run(1, 5, 2)


def test_a_frame_that_shows_two_scenes_waits_for_both() -> None:
    frames = Gathering({1: frozenset({("A", 7), ("B", 2)}), 2: frozenset(), 3: frozenset({("A", 7)})}, whole=False)
    assert frames.arrived == {2}
    frames.arrive(("A", 7))
    assert frames.arrived == {2, 3}
    frames.fail(("B", 2), "no")
    assert frames.failed == {1: "no"}
    assert frames.next_run() == Run(2, 3)
    assert frames.unwritten == (1, 2, 3)


@pytest.mark.parametrize(
    ("frames", "run"),
    [([5], Run(5, 5)), ([1, 2, 3], Run(1, 3)), ([1, 3, 5, 6], Run(1, 5, 2)), ([-2, 8], Run(-2, 8, 10))],
)
def test_the_first_run(frames: list[int], run: Run) -> None:
    assert first_run(frames) == run


@given(st.sets(st.integers(-50, 50), min_size=1), st.randoms())
def test_all_frames_are_written_once_and_in_order(frames: set[int], random: "object") -> None:
    ordered = sorted(frames)
    coming = list(ordered)
    random.shuffle(coming)  # type: ignore[attr-defined]
    found = gathering(*ordered)
    written: list[int] = []
    for frame in coming:
        found.arrive(("Scene", frame))
        while run := found.next_run():
            written += run.frames
            found.wrote(run)
    assert written == ordered


@given(st.integers(-9, 9), st.integers(1, 9), st.integers(1, 9))
def test_a_range_with_a_step_is_one_run(first: int, count: int, step: int) -> None:
    assert is_one_run(range(first, first + count * step, step))
    assert not is_one_run([])
