"""kill -9 at every step of a write: what is there afterwards is whole, and the next start goes on from it."""

import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coordinator.protocol import batches
from coordinator.slave.api import Api
from coordinator.slave.cache import PARTIAL, Cache
from coordinator.slave.rooms import TREE
from coordinator.slave.trace import Trace
from coordinator.store.blobs import Blobs

from .killed import BIG, SMALL, job
from .process_farm import ROOT
from .slave.standin import StandIn
from .submissions import sha256

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer forks, to be killed often and quickly")


def killed(what: str, root: Path) -> list[Path]:
    """The folders that a writer left which was killed at each of its steps; in the last it was not."""
    command = [sys.executable, "-m", "tests.killed", what, str(root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return [root / str(step) for step in range(int(done.stdout))]


def assert_whole(folder: Path) -> None:
    """Every file that has a blob's name has the blob's bytes."""
    for path in folder.glob("[0-9a-f][0-9a-f]/*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, path


async def body(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_coordinator_that_was_killed_while_it_stored_files(tmp_path: Path) -> None:
    folders = killed("store", tmp_path)
    began, acknowledged = 0, sha256(BIG)
    for folder in folders:
        assert_whole(folder)
        blobs = Blobs(folder)  # as the next start does
        assert_whole(folder)
        done = blobs.arrived(acknowledged)
        began += 0 < done < len(BIG)
        await blobs.receive(acknowledged, body(BIG[done:]), done)
        await blobs.receive_batch(b"".join(batches.pack(sha256(data), data) for data in SMALL))
        assert all(blobs.path(sha256(data)).read_bytes() == data for data in (BIG, *SMALL))
        assert list((folder / "partial").iterdir()) == [], "nothing of the killed run stays for ever"
    assert began > 1, "some were killed in the middle of the file, and went on from there"
    assert len(folders) > 30


async def test_a_slave_that_was_killed_while_it_fetched_files(tmp_path: Path) -> None:
    folders = killed("fetch", tmp_path)
    standin = StandIn()
    await standin.start()
    api = Api(standin.url, "0" * 32)
    api.online.set()
    name = job(standin)
    wanted = {file.path: file.sha256 for file in standin.jobs[name].files}
    for folder in folders:
        assert_whole(folder / "blobs")
        place = folder / "jobs" / name / TREE
        for path in place.rglob("*"):
            if path.is_file() and not path.name.endswith(PARTIAL):
                assert sha256(path.read_bytes()) == wanted[path.relative_to(place).as_posix()]
        tree = await Cache(folder, api, Trace(None)).prepare(name, (1,))
        assert {path: sha256((tree.folder / path).read_bytes()) for path in wanted} == wanted
        left = [path for path in tree.folder.rglob("*") if path.is_file()]
        assert len(left) == len(wanted), "no part of a file is left in the tree"
    await api.close()
    await standin.stop()
    assert any("bytes=" in line for line in standin.requests), "some went on in the middle of a file"
    assert len(folders) > 30


def test_a_slave_that_was_killed_while_it_wrote_to_a_shared_folder(tmp_path: Path) -> None:
    folders = killed("export", tmp_path)
    found = [[path for path in folder.iterdir() if path.suffix == ".exr"] for folder in folders]
    assert all(path.read_bytes() == BIG for paths in found for path in paths)
    assert found[0] == [] and found[-1] == [folders[-1] / "0001.exr"]
