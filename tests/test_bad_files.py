"""Files that cannot be sent as they are: devices, what disappears, what changes while it is read. Each is named."""

import hashlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator import errors
from coordinator.client.uploads import _Body, ignore
from coordinator.constants import HASH_TRIES
from coordinator.renderer import ExternalFile, Inspection
from coordinator.submission import Prepared, Wishes, prepare_snapshot, send

from .coordinators import RunningCoordinator

CACHE = b"a cache" * 20_000  # too large for a batch
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


def prepared(folder: Path, *files: Path, missing: tuple[Path, ...] = (), allow_missing: bool = False) -> Prepared:
    """The job of a scene that Blender said to need these files."""

    def external(path: Path) -> ExternalFile:
        return ExternalFile(kind="image", name=path.stem, stored=f"//{path.name}", path=str(path))

    blend = folder / "scene.blend"
    blend.write_bytes(b"BLENDER")
    found = Inspection(
        blender="4.5",
        scene="Scene",
        scenes=("Scene",),
        engine="CYCLES",
        engines=("CYCLES",),
        view_layers=("ViewLayer",),
        camera=True,
        frames=(1, 2, 1),
        features=(),
        colors="",
        files=tuple(map(external, files)),
        missing=tuple(map(external, missing)),
    )
    return prepare_snapshot(blend, found, Wishes(allow_missing=allow_missing), {})


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def make_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@posix
@pytest.mark.parametrize("make", [make_fifo, make_socket, make_link_to_a_device, Path.mkdir])
def test_what_is_no_file_is_never_opened(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when Blender saw it (it is missing then), and not if it took the place of a file since."""
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make(Path("it.png"))
    path = tmp_path / "it.png"
    with pytest.raises(errors.StorageError, match=r"it\.png is not a file but a folder or a device"):
        prepared(tmp_path, path)
    with pytest.raises(
        errors.MissingFilesError, match=r"image 'it': .*it\.png is there, but it is a folder or a device"
    ):
        prepared(tmp_path, missing=(path,))
    assert prepared(tmp_path, missing=(path,), allow_missing=True).warnings


def test_a_file_that_disappears_after_it_was_found(tmp_path: Path) -> None:
    with pytest.raises(errors.MissingFilesError, match=r"gone\.vdb, which image 'gone' needs, disappeared"):
        prepared(tmp_path, tmp_path / "gone.vdb")


@pytest.mark.parametrize("count", [1, 20])
def test_a_file_that_disappears_before_it_is_sent(coordinator: RunningCoordinator, tmp_path: Path, count: int) -> None:
    """Large ones go by themselves, many small ones in a batch."""
    files = [tmp_path / f"cache_{number:03d}.vdb" for number in range(count)]
    for number, path in enumerate(files):
        path.write_bytes(b"%d" % number if count > 1 else CACHE)
    job = prepared(tmp_path, *files)
    files[-1].unlink()
    with coordinator.client as client:
        with pytest.raises(errors.StorageError, match=rf"{files[-1].name} cannot be read: No such file.*put it back"):
            send(client, job)
        assert client.job(job.manifest.id).reason, "it waits for the file, and says so"


@posix
def test_what_takes_a_files_place_before_it_is_sent(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    path = tmp_path / "cache.vdb"
    path.write_bytes(CACHE)
    job = prepared(tmp_path, path)
    path.unlink()
    os.mkfifo(path)
    with coordinator.client as client, pytest.raises(errors.StorageError, match=r"cache\.vdb is not a file any more"):
        send(client, job)


def test_a_file_that_disappears_between_two_steps_of_its_upload(tmp_path: Path) -> None:
    path = tmp_path / "cache.vdb"
    path.write_bytes(CACHE)
    body = _Body(path, [(0, len(CACHE))], threading.Event(), ignore)
    path.unlink()
    with pytest.raises(errors.StorageError, match=r"cache\.vdb cannot be read: No such file"):
        list(body)


def changing(path: Path, times: int) -> Callable[..., Any]:
    """``hashlib.file_digest`` while somebody else appends to the file, this many times."""
    digest, left = hashlib.file_digest, [times]

    def read(file: Any, name: str) -> Any:
        found = digest(file, name)
        if left[0] and Path(file.name) == path:
            left[0] -= 1
            with path.open("ab") as other:
                other.write(b"more")
        return found

    return read


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cache.vdb"
    path.write_bytes(CACHE)
    monkeypatch.setattr(hashlib, "file_digest", changing(path, HASH_TRIES - 1))
    job = prepared(tmp_path, path)
    data = path.read_bytes()
    assert data == CACHE + b"more" * (HASH_TRIES - 1)
    assert job.sources[hashlib.sha256(data).hexdigest()] == path


def test_a_file_that_keeps_changing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cache.vdb"
    path.write_bytes(CACHE)
    monkeypatch.setattr(hashlib, "file_digest", changing(path, HASH_TRIES))
    with pytest.raises(errors.StorageError, match=r"cache\.vdb keeps changing while it is read; wait"):
        prepared(tmp_path, path)


def test_a_file_that_changes_after_it_was_read_is_refused(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    path = tmp_path / "cache.vdb"
    path.write_bytes(CACHE)
    job = prepared(tmp_path, path)
    path.write_bytes(CACHE[:-1] + b"?")
    with coordinator.client as client:
        with pytest.raises(errors.BlobMismatchError, match=r"cache\.vdb changed while it was submitted"):
            send(client, job)
        path.write_bytes(CACHE)
        send(client, job)
        assert client.job(job.manifest.id).state == "queued"
