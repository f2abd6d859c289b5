import pytest

from coordinator.cli.pace import WINDOW, Pace


def told(pace: Pace) -> tuple[float | None, float | None]:
    return pace.per_minute, pace.remaining


def test_the_rate_counts_from_when_rendering_began() -> None:
    pace = Pace(total=10)
    pace.began(100.0)
    pace.began(105.0)  # a second slave began
    assert told(pace) == (None, None)
    pace.frame_done(110.0)
    assert told(pace) == (6.0, 90.0)
    pace.frame_done(120.0)
    assert told(pace) == (6.0, 80.0)


def test_it_follows_a_change_of_speed() -> None:
    pace = Pace(total=1000)
    for second in range(100):
        pace.frame_done(float(second))
    for step in range(WINDOW):
        pace.frame_done(100 + 10.0 * step)
    assert pace.per_minute == pytest.approx(6, rel=0.1)


def test_frames_that_were_there_before_count_but_are_no_speed() -> None:
    pace = Pace(total=4)
    pace.was_done_before()
    pace.was_done_before()
    pace.began(0.0)
    pace.frame_done(2.0)
    assert (pace.done, pace.remaining) == (3, 2.0)
