"""The tables of legal moves."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from coordinator.protocol.states import ENDED, FRAME_MOVES, JOB_MOVES, FrameState, InvalidTransition, JobState, check

TABLES: list[tuple[type[StrEnum], Mapping[Any, frozenset[Any]]]] = [(JobState, JOB_MOVES), (FrameState, FRAME_MOVES)]
ALL = [(table, old, new) for states, table in TABLES for old, new in product(states, states)]


@pytest.mark.parametrize(("states", "table"), TABLES)
def test_every_state_is_in_its_table(states: type[StrEnum], table: Mapping[Any, frozenset[Any]]) -> None:
    assert set(table) == set(states)


@pytest.mark.parametrize(("table", "old", "new"), ALL)
def test_a_move_that_is_not_in_the_table_is_a_defect(
    table: Mapping[Any, frozenset[Any]], old: StrEnum, new: StrEnum
) -> None:
    if new in table[old]:
        check(table, "it", old, new, "why")
        return
    with pytest.raises(InvalidTransition, match=f"it: {old} -> {new} .*why"):
        check(table, "it", old, new, "why")


def test_a_result_is_for_ever() -> None:
    assert FRAME_MOVES[FrameState.DONE] == frozenset()


def test_a_frame_is_done_or_given_up_by_who_had_it() -> None:
    for end in (FrameState.DONE, FrameState.ERROR):
        assert [old for old, moves in FRAME_MOVES.items() if end in moves] == [FrameState.DISPATCHED]


def test_every_job_can_end_and_come_back() -> None:
    for old, moves in JOB_MOVES.items():
        assert (moves & ENDED) if old not in ENDED else (moves == {JobState.WAITING, JobState.QUEUED})
