"""What a changed blob has in common with another one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.errors import BadRequestError
from coordinator.protocol.deltas import Chunk, Delta, Part, check, offsets, parts

LETTERS = st.lists(st.sampled_from("abcdef"), max_size=12)
SIZES = {letter: 3 + number for number, letter in enumerate("abcdef")}


def chunks(letters: list[str]) -> list[Chunk]:
    return [Chunk(sha256=letter, size=SIZES[letter]) for letter in letters]


def content(letters: list[str]) -> str:
    return "".join(letter.upper() + letter * (SIZES[letter] - 1) for letter in letters)


@given(old=LETTERS, new=LETTERS, data=st.data())
def test_the_parts_make_the_new_blob_from_any_byte_on(old: list[str], new: list[str], data: st.DataObject) -> None:
    base, wanted = content(old), content(new)
    start = data.draw(st.integers(0, len(wanted)))
    at, made = start, ""
    for part in parts(chunks(new), offsets(chunks(old)), start):
        source, offset = (wanted, at) if part.offset < 0 else (base, part.offset)
        made += source[offset : offset + part.size]
        at += part.size
    assert made == wanted[start:]


def test_neighbours_are_one_part() -> None:
    found = parts(chunks(["x" if c == "x" else c for c in "abcdab"]), offsets(chunks(list("abc"))))
    assert found == (Part(size=12, offset=0), Part(size=6), Part(size=7, offset=0))


def test_a_part_outside_of_the_base_is_refused() -> None:
    delta = Delta(base="0" * 64, parts=(Part(size=4, offset=8),))
    assert check(delta, 12) is delta and delta.literal == 0
    with pytest.raises(BadRequestError, match="8 to 12"):
        check(delta, 11)
