"""The frame table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protocol.frames import FrameRange
from coordinator.protocol.states import FrameState, InvalidTransition
from coordinator.scheduling.frames import FrameTable


def table(frames: str = "1-5") -> FrameTable:
    return FrameTable(FrameRange.parse(frames))


def test_frames_leave_in_order_and_those_that_came_back_go_first() -> None:
    frames = table()
    assert frames.take(2) == (1, 2)
    frames.move(1, FrameState.QUEUED, "lost")
    assert frames.take(2) == (1, 3)
    assert frames.take(9) == (4, 5)
    assert frames.take(1) == ()


def test_a_frame_to_avoid_stays_in_the_queue() -> None:
    frames = table("1-2")
    frames.take(1)
    frames.move(1, FrameState.QUEUED, "failed")
    assert frames.take(2, avoid=frozenset({1})) == (2,)
    assert frames.take(2) == (1,)


def test_moves_that_are_not_in_the_table_are_defects() -> None:
    frames = table()
    with pytest.raises(InvalidTransition, match="queued -> done"):
        frames.move(1, FrameState.DONE, "out of the blue")
    assert frames.state(1) is FrameState.QUEUED and frames.counts.queued == 5


@given(st.lists(st.sampled_from(["take", "done", "lost", "error", "reset"]), max_size=60), st.randoms())
def test_no_frame_is_lost_or_doubled_whatever_happens(actions: list[str], random: object) -> None:
    frames = table("1-12")
    out: set[int] = set()
    ends = {"done": FrameState.DONE, "lost": FrameState.QUEUED, "error": FrameState.ERROR}
    for action in actions:
        if action == "take":
            taken = set(frames.take(3))
            assert not taken & out
            out |= taken
        elif action == "reset":
            for frame in frames.in_state(FrameState.ERROR):
                frames.move(frame, FrameState.QUEUED, "reset")
        elif out:
            frame = random.choice(sorted(out))  # type: ignore[attr-defined]
            out.discard(frame)
            frames.move(frame, ends[action], "test")
        assert set(frames.in_state(FrameState.DISPATCHED)) == out
        assert frames.counts.total == 12
    rest = set(frames.take(99))
    assert rest | out | set(frames.in_state(FrameState.DONE)) | set(frames.in_state(FrameState.ERROR)) == set(
        range(1, 13)
    )


def test_a_table_comes_back_from_what_the_store_knows() -> None:
    frames = table("1-6")
    frames.restore({1: FrameState.DONE, 2: FrameState.QUEUED, 4: FrameState.DISPATCHED})
    assert frames.counts.done == 1 and frames.counts.dispatched == 1 and frames.counts.queued == 4
    assert frames.take(9) == (2, 3, 5, 6)
