"""A folder with a limit."""

import os
from pathlib import Path

from coordinator.store.shelf import trim, used


def fill(folder: Path, *names: str) -> None:
    """Files of 100 bytes, the first one used longest ago."""
    for age, name in enumerate(reversed(names)):
        path = folder / name[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b", "c", "d")
    used(tmp_path / "a" / "a")
    assert trim(tmp_path, 250) == 200
    assert left(tmp_path) == {"a", "d"}


def test_under_the_limit_nothing_goes(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b")
    assert trim(tmp_path, 200) == 200
    assert left(tmp_path) == {"a", "b"}


def test_what_is_needed_stays_even_over_the_limit(tmp_path: Path) -> None:
    fill(tmp_path, "a", "b", "c")
    assert trim(tmp_path, 100, {"a", "b"}) == 200
    assert left(tmp_path) == {"a", "b"}


def test_a_file_that_is_gone_is_no_matter(tmp_path: Path) -> None:
    used(tmp_path / "nothing")
    assert trim(tmp_path / "nowhere", 10) == 0
