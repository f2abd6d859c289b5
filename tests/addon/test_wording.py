"""Errors as Blender's window words them."""

from pathlib import Path

from blender_addon import wording
from coordinator import errors

COORDINATOR = Path(errors.__file__).parent


def test_each_phrase_is_one_that_the_shared_code_says() -> None:
    """A text that was changed there would reach artists with names of options again."""
    code = " ".join(path.read_text() for path in COORDINATOR.rglob("*.py"))
    said = "".join(code.split()).replace('""', "").replace('"f"', "").replace('"', "")
    for theirs, ours in wording._PHRASES:
        assert "".join(theirs.split()) in said
        error = errors.UnreachableError(f"before {theirs} after")
        assert wording.reworded(error).message == f"before {ours} after"
        assert type(wording.reworded(error)) is errors.UnreachableError


def test_another_error_stays_as_it_is() -> None:
    error = errors.StorageError("no room")
    assert wording.reworded(error) is error
