"""A renderer's own folders, and how one of them becomes a job's: with the real cache."""

import asyncio
import os
from pathlib import Path

import pytest
from aiohttp import web

from coordinator.errors import StorageError
from coordinator.slave import rooms
from coordinator.slave.api import Api
from coordinator.slave.cache import Cache
from coordinator.slave.process import _clean
from coordinator.slave.rooms import COMPUTED, TREE, Room, Rooms
from coordinator.slave.trace import Trace

from .conftest import StartSlave
from .standin import StandIn, error


@pytest.fixture
def cache(api: Api, tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", api, Trace(None))


@pytest.fixture
def made(cache: Cache, tmp_path: Path) -> Rooms:
    return Rooms(tmp_path / "cache", tmp_path / "work", ["/mapped"], cache.take_in, confine=True)


def inode(path: Path) -> int:
    return path.stat().st_ino


async def test_a_room_becomes_the_jobs_folder(standin: StandIn, cache: Cache, made: Rooms, tmp_path: Path) -> None:
    job = standin.job("1-4", files={"textures/wood.png": b"bark"})
    tree = await cache.prepare(job.id, (1,))
    room = await made.make()
    own = inode(room.files)
    await made.give(room, job.id)
    assert room.files == tmp_path / "cache" / "jobs" / job.id
    assert inode(room.files) == own, "what its renderer may read"
    assert tree.blend.read_bytes() == b"scene of film"
    assert (tree.folder / "textures" / "wood.png").read_bytes() == b"bark"
    assert list((tmp_path / "cache" / "next").iterdir()) == []
    await made.remove(room)
    assert tree.blend.exists(), "the renderer has ended, the job's files stay"
    assert not room.results.exists()


async def test_what_comes_later_comes_into_the_same_folder(
    standin: StandIn, cache: Cache, made: Rooms, tmp_path: Path
) -> None:
    job = standin.job("1-4", files={"one.png": b"1"})
    room = await made.make()
    own = inode(room.files)
    await made.give(room, job.id)  # before any file is there
    tree = await cache.prepare(job.id, (1,))
    assert inode(tree.folder.parent) == own
    assert (tree.folder / "one.png").read_bytes() == b"1"
    assert tree.folder == tmp_path / "cache" / "jobs" / job.id / TREE


async def test_the_next_renderer_of_a_job_gets_what_was_computed_for_it_and_no_other_does(made: Rooms) -> None:
    job, other = "a" * 16, "b" * 16
    first, second, third = [await made.make() for _ in range(3)]
    await made.give(first, job)
    for name in ("shaders", "thumbnails", "other"):
        (first.cache / name).mkdir()
        (first.cache / name / "begun").write_text("before")
    (first.cache / "shaders" / "glass").write_text("compiled")
    await made.remove(first)
    await made.give(second, other)
    assert list(second.cache.iterdir()) == []
    place, own = third.cache, inode(third.cache)
    for name in ("thumbnails", "shaders"):  # as Blender does at its start
        (third.cache / name).mkdir()
        (third.cache / name / "begun").write_text("")
    await made.give(third, job)
    assert (third.cache, inode(third.cache)) == (place, own), "where its renderer was told to write"
    assert (third.cache / "shaders" / "glass").read_text() == "compiled"
    assert (third.cache / "shaders" / "begun").read_text() == "", "what it has, it has open"
    assert (third.cache / "other" / "begun").read_text() == "before"


async def test_what_was_computed_is_kept_for_the_last_jobs(made: Rooms, tmp_path: Path) -> None:
    jobs = [f"{number:016x}" for number in range(COMPUTED + 3)]
    for number, job in enumerate(jobs):
        room = await made.make()
        await made.give(room, job)
        (room.cache / "shaders").write_text(job)
        await made.remove(room)
        os.utime(tmp_path / "cache" / "computed" / job, (number, number))  # a clock that is coarse
    assert {path.name for path in (tmp_path / "cache" / "computed").iterdir()} == set(jobs[-COMPUTED:])


async def test_files_that_come_in_meanwhile_are_all_there(
    standin: StandIn, cache: Cache, made: Rooms, tmp_path: Path
) -> None:
    """Renderers are replaced again and again while leases bring files."""
    files = {f"{number}.png": b"%d" % number for number in range(300)}
    job = standin.job("1-300", files=files)

    async def replace() -> None:
        for _ in range(20):
            room = await made.make()
            await made.give(room, job.id)

    trees = await asyncio.gather(*(cache.prepare(job.id, (frame,)) for frame in range(1, 20)), replace())
    tree = trees[0]
    assert tree is not None
    tree = await cache.prepare(job.id, (1,))
    assert {path.name: path.read_bytes() for path in tree.folder.glob("*.png")} == files
    assert inode(tmp_path / "cache" / "jobs" / job.id / TREE) == inode(tree.folder)


def test_what_a_crash_left_half_done_is_no_obstacle(tmp_path: Path) -> None:
    """Of one that was killed between the moves, and of an earlier version of the slave."""
    folder, room = tmp_path / "jobs" / "a", tmp_path / "next" / "b"
    folder.mkdir(parents=True)
    room.mkdir(parents=True)
    (folder / "scene.blend").write_text("of an earlier version")
    rooms.take_in(folder, room)
    assert list(folder.iterdir()) == []
    assert not room.exists()


def test_a_start_removes_what_renderers_left(tmp_path: Path) -> None:
    places = ("work/results-a", "temp/a", "cache/next/a", "cache/computed/a", f"cache/jobs/a/{TREE}")
    for name in places:
        (tmp_path / name).mkdir(parents=True)
    _clean(tmp_path)
    assert [name for name in places if (tmp_path / name).exists()] == [f"cache/jobs/a/{TREE}"]
    assert (tmp_path / "cache" / "next").is_dir()


async def test_a_renderer_is_told_its_room(made: Rooms) -> None:
    room = await made.make()
    words = made.arguments(room)
    pairs = list(zip(words[1::2], words[2::2], strict=True))
    assert words[0] == "--confine"
    assert pairs == [
        ("--cache", str(room.cache)),
        ("--write", str(room.results)),
        ("--tree", str(room.files)),
        ("--read", "/mapped"),
    ]


async def test_where_nothing_is_confined_nothing_is_moved(standin: StandIn, cache: Cache, tmp_path: Path) -> None:
    free = Rooms(tmp_path / "cache", tmp_path / "work", [], cache.take_in, confine=False)
    job = standin.job("1")
    tree = await cache.prepare(job.id, (1,))
    own = inode(tree.folder.parent)
    room = await free.make()
    assert free.arguments(room) == []
    await free.give(room, job.id)
    assert inode(tree.folder.parent) == own
    await free.remove(room)
    assert not room.files.exists()


async def test_a_cache_that_cannot_be_brought_fails_no_frame(made: Rooms, tmp_path: Path) -> None:
    (tmp_path / "cache" / "computed" / ("a" * 16)).mkdir(parents=True)
    (tmp_path / "cache" / "computed" / ("a" * 16) / "shaders").write_text("")
    room = await made.make()
    room.cache.rmdir()
    await made.give(room, "a" * 16)
    assert room.job == "a" * 16
    await made.remove(room)


async def test_a_folder_that_cannot_be_moved_is_the_slaves_storage(cache: Cache, made: Rooms) -> None:
    room = await made.make()
    room.files.rename(room.files.with_name("gone"))
    with pytest.raises(StorageError):
        await made.give(room, "a" * 16)
    with pytest.raises(StorageError):
        await Rooms(Path("/proc/none"), Path("/proc/none"), [], cache.take_in, confine=True).make()


async def test_results_are_out_of_reach_of_the_next_renderer(
    standin: StandIn, slave: StartSlave, tmp_path: Path
) -> None:
    """Each renderer renders into a folder of its own, and what it rendered is moved out of it at once."""
    standin.on_put = lambda frame: _away()
    slave("--crash-at", "2")
    job = standin.job("1-3")
    await standin.give(1, job, 1, 2, 3)
    await standin.until(lambda: len(standin.failures) == 1 and "PUT 3" in standin.requests)
    folders = list((tmp_path / "slave" / "work").glob("results-*"))
    assert len(folders) == 1, "that of the one that crashed is gone"
    assert list(folders[0].iterdir()) == []
    assert {path.stem for path in (tmp_path / "slave" / "outbox").glob("*.exr")} == {"1_1", "1_3"}


async def _away() -> web.Response:
    return error(503, "unreachable", "not now")


def test_a_room_is_one_of_its_own(tmp_path: Path) -> None:
    assert Room(tmp_path, tmp_path, tmp_path) != Room(tmp_path, tmp_path, tmp_path)
