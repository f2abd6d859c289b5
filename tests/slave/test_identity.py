"""Slots: one slave a folder, the same id for ever."""

from pathlib import Path

import platformdirs
import pytest

from coordinator.errors import ConflictError, StorageError, UsageError
from coordinator.slave.identity import claim


@pytest.fixture(autouse=True)
def slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path / "netrender")
    return tmp_path / "netrender"


def test_slaves_on_one_machine_get_slots_of_their_own(slots: Path) -> None:
    first, second = claim(), claim()
    assert [first.folder, second.folder] == [slots.resolve() / "slave-1", slots.resolve() / "slave-2"]
    assert first.id != second.id
    assert first.name.endswith("-1") and second.name.endswith("-2")
    second.release()
    third = claim()
    assert (third.folder, third.id) == (second.folder, second.id)
    third.release()
    first.release()


def test_a_folder_keeps_its_id_whatever_the_name(tmp_path: Path) -> None:
    ids = set()
    for name in ("anna", "bert"):
        slot = claim(tmp_path / "mine", name)
        assert slot.name == name
        ids.add(slot.id)
        slot.release()
    assert len(ids) == 1


def test_a_damaged_id_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "id").write_bytes(b"\xff\xfe")
    slot = claim(tmp_path)
    assert (tmp_path / "id").read_text() == slot.id + "\n"
    slot.release()


def test_a_folder_that_is_used_is_refused(tmp_path: Path) -> None:
    slot = claim(tmp_path)
    with pytest.raises(ConflictError, match="give this one its own --data"):
        claim(tmp_path)
    slot.release()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="name another with --data"):
        claim(tmp_path / "file" / "slave")


@pytest.mark.parametrize("name", ["x" * 101, "a\0", "\udcff"])
def test_a_name_that_no_coordinator_takes(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="up to 100 characters"):
        claim(tmp_path / "slave", name)
    claim(tmp_path / "slave", "x" * 100).release()


def test_a_name_that_cannot_be_shown_is_made_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "ho\x1bst")
    for name, expected in (("an\nna\u202e", "an_na_"), (None, "ho_st"), ("Gerüst 1", "Gerüst 1")):
        slot = claim(tmp_path / "slave", name)
        assert slot.name == expected
        slot.release()
