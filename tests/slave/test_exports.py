"""Results to a shared folder: only where that is allowed, whole or not at all, and never instead of the delivery."""

import os
import re
from pathlib import Path

import pytest

from coordinator.errors import StorageError
from coordinator.pathmaps import PathMap
from coordinator.slave import exports
from coordinator.slave.api import Api
from coordinator.slave.exports import Exports

from .standin import StandIn

JOB = "0123456789abcdef"
posix = pytest.mark.skipif(os.name != "posix", reason="a link needs rights on Windows")


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    path = tmp_path / "7_12.exr"
    path.write_bytes(b"pixels")
    return path


@pytest.fixture
def share(tmp_path: Path) -> Path:
    (tmp_path / "share").mkdir()
    return tmp_path / "share"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_it_is_written_where_the_clients_folder_is_here(rendered: Path, share: Path) -> None:
    allowed = [PathMap(r"X:\other", "/nowhere"), PathMap(r"P:\renders", str(share))]
    found = exports.write(rendered, r"p:\Renders\film\v1", allowed, -3, 7)
    assert found == share / "film" / "v1" / "-0003.exr" and found.read_bytes() == b"pixels"
    found.write_bytes(b"an earlier version")
    exports.write(rendered, r"P:\renders\film\v1", allowed, -3, 7)
    assert found.read_bytes() == b"pixels" and files(share) == ["film/v1/-0003.exr"]


@pytest.mark.parametrize("folder", ["/etc", "/renders2", "/renders/../etc", "renders"])
def test_nowhere_else(folder: str, rendered: Path, share: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    with pytest.raises(StorageError, match=re.escape(folder) + ".*--results-folder FROM=TO"):
        exports.write(rendered, folder, [PathMap("/renders", str(share))], 1, 7)
    assert files(tmp_path) == before


@posix
def test_not_through_a_link_that_leads_out(rendered: Path, share: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (share / "film").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError, match="a link leads out"):
        exports.write(rendered, "/r/film/v1", [PathMap("/r", str(share))], 1, 7)
    assert files(tmp_path / "outside") == []


@posix
def test_a_link_in_its_place_is_replaced_not_followed(rendered: Path, share: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("0001.exr", ".0001.exr.7.netrender-part"):
        (share / name).symlink_to(victim)
    exports.write(rendered, "/r", [PathMap("/r", str(share))], 1, 7)
    assert victim.read_text() == "precious" and (share / "0001.exr").read_bytes() == b"pixels"


def test_a_drive_that_is_not_mounted_is_not_made_up(rendered: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is it mounted"):
        exports.write(rendered, "/r/film", [PathMap("/r", str(tmp_path / "mnt"))], 1, 7)
    assert not (tmp_path / "mnt").exists()


def test_a_write_that_fails_leaves_what_was_there(rendered: Path, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (share / "0001.exr").write_bytes(b"an earlier version")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device; it can be gathered"):
        exports.write(rendered, "/r", [PathMap("/r", str(share))], 1, 7)
    assert files(share) == ["0001.exr"] and (share / "0001.exr").read_bytes() == b"an earlier version"


async def test_a_failure_is_told_in_the_frames_log(standin: StandIn, api: Api, rendered: Path) -> None:
    await Exports((), api).write(rendered, "/r", JOB, 12, 7)
    assert standin.logs[JOB, 12].startswith("warning: the result is not in /r: this slave may not write there")
