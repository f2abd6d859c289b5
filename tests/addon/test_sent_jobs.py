"""Which job was sent from which file: blender_addon/sent_jobs.py. No Blender here."""

import json
import os
from pathlib import Path

import pytest

from blender_addon import sent_jobs


@pytest.fixture
def blend(tmp_path: Path) -> Path:
    """A file that was saved long ago."""
    path = tmp_path / "shot.blend"
    path.write_bytes(b"")
    os.utime(path, (0, 0))
    return path


def test_what_was_sent_after_the_file_was_saved_is_known(tmp_path: Path, blend: Path) -> None:
    sent_jobs.remember(tmp_path, str(blend), ["Scene", "Other"], "a1")
    sent_jobs.remember(tmp_path, str(blend), ["Scene"], "b2")
    assert sent_jobs.recall(tmp_path, str(blend)) == {"Scene": "b2", "Other": "a1"}
    assert sent_jobs.recall(tmp_path, str(tmp_path / "other.blend")) == {}
    os.utime(blend, (2e9, 2e9))
    assert sent_jobs.recall(tmp_path, str(blend)) == {}, "the file knows it itself"


def test_a_file_without_a_name_or_a_place_is_no_error(tmp_path: Path) -> None:
    sent_jobs.remember(tmp_path, "", ["Scene"], "a1")
    assert not list(tmp_path.iterdir())
    assert sent_jobs.recall(tmp_path, "") == {}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"Scene": "a"}', '{"Scene": ["a"]}', '{"Scene": [1, 2]}', '{"Scene": ["a", "b"]}', "\udcff"],
)
def test_what_is_no_such_file_says_nothing(tmp_path: Path, blend: Path, text: str) -> None:
    path = sent_jobs._path(tmp_path, str(blend))
    path.parent.mkdir()
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert sent_jobs.recall(tmp_path, str(blend)) == {}
    sent_jobs.remember(tmp_path, str(blend), ["Scene"], "b2")
    assert json.loads(path.read_text())["Scene"][0] == "b2"


def test_a_folder_that_cannot_be_written_is_a_warning(
    tmp_path: Path, blend: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sent").write_text("a file")
    sent_jobs.remember(tmp_path, str(blend), ["Scene"], "b2")
    assert "b2 will not be found again" in caplog.text


def test_old_ones_go(tmp_path: Path, blend: Path) -> None:
    old = tmp_path / "sent" / "old.json"
    old.parent.mkdir()
    old.write_text("{}")
    os.utime(old, (0, 0))
    sent_jobs.remember(tmp_path, str(blend), ["Scene"], "b2")
    assert not old.exists()
