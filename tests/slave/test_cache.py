"""Blobs over connections that break and lie, and the trees made of them."""

import asyncio
import errno
import os
import shutil
from pathlib import Path

import pytest
from aiohttp import web

from coordinator.errors import BadPathError, BlobMismatchError, NotFoundError, StorageError, UnsuitableError
from coordinator.protocol.states import Fault
from coordinator.slave.api import Api
from coordinator.slave.cache import Cache
from coordinator.slave.trace import Trace

from ..disks import small_disk
from .standin import StandIn, error, sha

DATA = bytes(range(256)) * 4096
NAME = sha(DATA)


def files_named(name: str, folder: Path) -> list[Path]:
    return list(folder.rglob(name))


@pytest.fixture
def cache(api: Api, tmp_path: Path) -> Cache:
    return Cache(tmp_path, api, Trace(None))


async def test_a_blob_is_fetched_once(standin: StandIn, cache: Cache) -> None:
    standin.blobs[NAME] = DATA
    paths = await asyncio.gather(*(cache.fetch(NAME, len(DATA)) for _ in range(3)))
    assert {path.read_bytes() for path in paths} == {DATA}
    assert standin.requests == [f"GET blob {NAME}"]


async def test_an_empty_blob(standin: StandIn, cache: Cache) -> None:
    standin.blobs[sha(b"")] = b""
    assert (await cache.fetch(sha(b""), 0)).read_bytes() == b""


async def test_a_download_that_is_cut_goes_on_where_it_was(standin: StandIn, cache: Cache) -> None:
    standin.blobs[NAME] = DATA
    cut = 600_000

    async def break_once(request: web.Request, name: str) -> web.StreamResponse | None:
        if len(standin.requests) > 1:
            return None
        response = web.StreamResponse(headers={"Content-Length": str(len(DATA))})
        await response.prepare(request)
        await response.write(DATA[:cut])
        assert request.transport is not None
        request.transport.close()
        return response

    standin.on_blob = break_once
    assert (await cache.fetch(NAME, len(DATA))).read_bytes() == DATA
    first, second = standin.requests
    assert first == f"GET blob {NAME}"
    offset = int(second.partition("bytes=")[2].rstrip("-"))
    assert 0 < offset <= cut


async def test_what_an_earlier_run_has_fetched_is_not_fetched_again(
    standin: StandIn, cache: Cache, tmp_path: Path
) -> None:
    standin.blobs[NAME] = DATA
    (tmp_path / "partial").mkdir()
    for kept in (DATA[:1000], DATA):  # with all of it there, the answer is 416
        (tmp_path / "partial" / NAME).write_bytes(kept)
        path = await cache.fetch(NAME, len(DATA))
        assert path.read_bytes() == DATA
        assert standin.requests[-1] == f"GET blob {NAME} bytes={len(kept)}-"
        path.unlink()


async def test_a_coordinator_without_ranges_sends_it_all_again(standin: StandIn, cache: Cache, tmp_path: Path) -> None:
    async def whole(request: web.Request, name: str) -> web.StreamResponse:
        return web.Response(body=DATA)

    standin.on_blob = whole
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / NAME).write_bytes(DATA[:1000])
    assert (await cache.fetch(NAME, len(DATA))).read_bytes() == DATA


async def test_wrong_bytes_are_dropped_and_fetched_again(standin: StandIn, cache: Cache, tmp_path: Path) -> None:
    standin.blobs[NAME] = DATA
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / NAME).write_bytes(b"something else")
    assert (await cache.fetch(NAME, len(DATA))).read_bytes() == DATA
    assert standin.requests[-1] == f"GET blob {NAME}"


async def test_bytes_that_stay_wrong_are_an_error(standin: StandIn, cache: Cache, tmp_path: Path) -> None:
    standin.blobs[NAME] = DATA + b"and more than was announced"
    with pytest.raises(BlobMismatchError, match=NAME):
        await cache.fetch(NAME, len(DATA))
    assert files_named(NAME, tmp_path) == []


async def test_a_blob_that_is_not_there_is_an_error(standin: StandIn, cache: Cache) -> None:
    with pytest.raises(NotFoundError, match=NAME):
        await cache.fetch(NAME, len(DATA))


async def test_a_coordinator_that_restarts_is_waited_for(standin: StandIn, cache: Cache, api: Api) -> None:
    job = standin.job("1", files={"tree": b"bark"})

    async def hang(request: web.Request, name: str) -> web.StreamResponse | None:
        if len(standin.requests) == 2:  # the manifest, and the first blob
            return error(507, "storage", "the disk is full")
        await asyncio.Event().wait()
        return None

    standin.on_blob = hang
    preparing = asyncio.create_task(cache.prepare(job.id, (1,)))
    await standin.until(lambda: len(standin.requests) == 4)
    await standin.stop()
    standin.on_blob = standin._nothing
    await standin.start()
    assert (await preparing).blend.read_bytes() == b"scene of film"


async def test_a_tree_is_made_of_links_to_the_blobs(standin: StandIn, cache: Cache, tmp_path: Path) -> None:
    job = standin.job("1", files={"textures/a.png": b"png", "textures/b.png": b"png"})
    tree = await cache.prepare(job.id, (1,))
    blob = await cache.fetch(sha(b"png"), 3)
    for name in ("textures/a.png", "textures/b.png"):
        assert (tree.folder / name).samefile(blob)
    assert blob.stat().st_mode & 0o222 == 0
    assert (tree.blend, tree.mapped) == (tree.folder / "a.blend", ())


async def test_small_blobs_come_together(standin: StandIn, cache: Cache) -> None:
    files = {f"cache/{number}.vdb": b"%d" % number for number in range(30)}
    job = standin.job("1", files=files)
    tree = await cache.prepare(job.id, (1,))
    assert {name: (tree.folder / name).read_bytes() for name in files} == files
    assert standin.requests == [f"GET manifest {job.id}", "POST batch of 31"]


async def test_small_blobs_that_do_not_come_together_come_one_by_one(standin: StandIn, cache: Cache) -> None:
    job = standin.job("1", files={f"cache/{number}.vdb": b"%d" % number for number in range(30)})
    gone = sha(b"7")
    del standin.blobs[gone]
    with pytest.raises(NotFoundError, match=gone):
        await cache.prepare(job.id, (1,))


async def test_over_its_limit_it_drops_what_no_job_needs(standin: StandIn, api: Api, tmp_path: Path) -> None:
    cache = Cache(tmp_path, api, Trace(None), limit=2_500)
    jobs = [standin.job(str(number), files={"tree": bytes([number]) * 1000}) for number in range(1, 5)]
    for job in jobs[:2]:
        await cache.prepare(job.id, (1,))
    cache.keep_only({jobs[0].id})
    for job in jobs[2:]:  # two of them, and the first, are more than the limit: what is needed stays
        await cache.prepare(job.id, (1,))
        cache.keep_only({jobs[0].id, job.id})
    there = {path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()}
    assert sha(bytes([1]) * 1000) in there and sha(bytes([4]) * 1000) in there
    assert sha(bytes([2]) * 1000) not in there
    assert (await cache.prepare(jobs[1].id, (1,))).folder.joinpath("tree").read_bytes() == bytes([2]) * 1000


async def test_a_tree_is_made_once_and_again_if_a_file_is_short(standin: StandIn, cache: Cache) -> None:
    job = standin.job("1", files={"tree": b"bark"})
    tree = await cache.prepare(job.id, (1,))
    inode = tree.folder.stat().st_ino
    assert (await cache.prepare(job.id, (1,))).folder.stat().st_ino == inode
    assert len([line for line in standin.requests if "blob" in line]) == 2
    (tree.folder / "tree").unlink()
    tree = await cache.prepare(job.id, (1,))
    assert (tree.folder / "tree").read_bytes() == b"bark"


async def test_without_hard_links_files_are_copied(
    standin: StandIn, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise OSError("not on this file system")

    monkeypatch.setattr(os, "link", link)
    job = standin.job("1", files={"tree": b"bark"})
    tree = await cache.prepare(job.id, (1,))
    assert (tree.folder / "tree").read_bytes() == b"bark"
    assert (tree.folder / "tree").stat().st_nlink == 1


async def test_a_manifest_that_leads_out_of_its_folder_is_refused(
    standin: StandIn, cache: Cache, tmp_path: Path
) -> None:
    job = standin.job("1", files={"tree": b"bark"})
    object.__setattr__(job.files[1], "path", "../../outside")
    standin.jobs[job.id] = job
    with pytest.raises(BadPathError, match="outside"):
        await cache.prepare(job.id, (1,))
    assert files_named("outside", tmp_path) == []


async def test_a_folder_that_cannot_be_written_is_an_error(standin: StandIn, cache: Cache, tmp_path: Path) -> None:
    job = standin.job("1")
    (tmp_path / "blobs").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="cannot keep the job's files"):
        await cache.prepare(job.id, (1,))


async def test_descriptions_of_bakes_are_writable_copies(standin: StandIn, cache: Cache) -> None:
    """Blender opens them for writing too. All others are the cache's own files, and read-only."""
    bake = "blendcache_a/Cube/1/meta/00001_00000.json"
    job = standin.job("1", files={bake: b"{}", "meta/a.json.png": b"picture", "blendcache_a/Cube/1/blobs/1.blob": b"x"})
    tree = await cache.prepare(job.id, (1,))
    modes = {file.path: (tree.folder / file.path).stat() for file in job.files}
    assert {path for path, about in modes.items() if about.st_mode & 0o222} == {bake}
    assert {path for path, about in modes.items() if about.st_nlink == 1} == {bake}


def noise(megabytes: int, seed: int) -> bytes:
    return bytes([seed]) * (megabytes * 2**20)


async def test_what_other_jobs_have_left_goes_when_the_disk_is_full(standin: StandIn, api: Api, tmp_path: Path) -> None:
    first, second = (standin.job("1", name, files={"big": noise(5, seed)}) for seed, name in enumerate(("one", "two")))
    with small_disk(tmp_path / "disk", 8) as disk:
        cache = Cache(disk.folder, api, Trace(None))
        await cache.prepare(first.id, (1,))
        with pytest.raises(StorageError, match="the disk is full: the job's files need"):
            await cache.prepare(second.id, (1,))  # a lease of the first one is there still
        assert files_named(sha(noise(5, 0)), disk.folder)
        cache.keep_only({second.id})
        tree = await cache.prepare(second.id, (1,))
        assert (tree.folder / "big").stat().st_size == 5 * 2**20
        assert not files_named(sha(noise(5, 0)), disk.folder)


async def test_a_job_that_a_disk_with_room_cannot_take_is_not_for_this_machine(
    standin: StandIn, api: Api, tmp_path: Path
) -> None:
    """Nothing is fetched in vain, and the disk does not become full of it."""
    job = standin.job("1", files={"big": b"not as large as they say"})
    object.__setattr__(job.files[1], "size", 10**12)
    standin.jobs[job.id] = job
    with small_disk(tmp_path / "disk", 100) as disk:
        cache = Cache(disk.folder, api, Trace(None))
        with pytest.raises(UnsuitableError, match=r"need 1000000\.00 MB more") as raised:
            await cache.prepare(job.id, (1,))
    assert raised.value.fault is Fault.JOB and not [line for line in standin.requests if "blob" in line]


async def test_a_path_that_the_system_cannot_hold_is_not_the_disks_fault(
    standin: StandIn, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that would be too long inside this slave's folder."""

    def link(*_: object) -> None:
        raise OSError(errno.ENAMETOOLONG, "File name too long")

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(shutil, "copyfile", link)
    job = standin.job("1", files={"tree": b"bark"})
    with pytest.raises(UnsuitableError, match="File name too long"):
        await Cache(tmp_path, api, Trace(None)).prepare(job.id, (1,))
    assert not list((tmp_path / "jobs").rglob("*.netrender-part"))
