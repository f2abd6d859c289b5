"""Archives from somebody who wishes ill: nothing outside is read or written, and the coordinator goes on."""

import copy
import hashlib
import io
import json
import re
import tarfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from coordinator.constants import FRAME_ATTEMPTS
from coordinator.protocol.jobs import Manifest

from ..coordinators import RunningCoordinator, running_coordinator
from ..hostile import VALUES, Outside, Place, places, replaced, text
from ..slaves import FakeSlave, result_of
from ..submissions import announce, job_info, manifest, submit

HONEST_FILES = re.compile(
    r"coordinator\.lock|netrender\.sqlite(-wal|-shm)?|(blobs|results)/[0-9a-f]{2}/[0-9a-f]{64}"
    r"|(blobs|results)/journal/[0-9a-f]{16}\.batch|logs/[0-9a-f]{16}/-?[0-9]+\.log"
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real one, of a job that was cancelled: a frame is done, one is an error, others were never begun."""
    folder = tmp_path_factory.mktemp("real")
    with running_coordinator(folder / "coordinator") as running:
        import asyncio

        return asyncio.run(_archived(running))


async def _archived(running: RunningCoordinator) -> bytes:
    async with aiohttp.ClientSession(running.url) as http:
        job = await submit(http, manifest("-1-2", chunk=1))
        async with FakeSlave(running.url, "anna") as anna:
            work = await anna.work()
            await anna.post_log(work, -1, "rendered well\n")
            await anna.render(work)
            for _ in range(FRAME_ATTEMPTS):
                await anna.failed(await anna.work(), 0)
            await anna.work()
            async with http.post(f"/api/jobs/{job}/cancel") as response:
                assert response.status == 200
        async with http.get(f"/api/jobs/{job}/archive") as response:
            assert response.status == 200
            return await response.read()


def contents(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


def packed(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def with_id(about: Any, place: Place) -> Any:
    """The job's id is made to fit the manifest, or nothing behind that check would ever be reached."""
    if len(place) == 1:
        return about
    about = copy.deepcopy(about)
    canonical = json.dumps(about["manifest"], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    number = hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:16]
    for key, value in (("id", number), ("name", about["manifest"]["name"]), ("frames", about["manifest"]["frames"])):
        if place != ("job", key):
            about["job"][key] = value
    return about


def check_tree(folder: Path, data: Path) -> None:
    """There is nothing but what an honest coordinator makes."""
    there = {str(path.relative_to(data)) for path in data.rglob("*") if not path.is_dir()}
    assert {name for name in there if not HONEST_FILES.fullmatch(name)} == set()
    assert {path.name for path in folder.iterdir()} == {"outside", "coordinator"}


class Farm:
    """A coordinator that is being attacked, and a slave that goes on meanwhile."""

    def __init__(self, http: aiohttp.ClientSession, slave: FakeSlave, outside: Outside) -> None:
        self.http, self.slave, self.outside = http, slave, outside
        self.honest = 0

    async def restore(self, archive: bytes) -> tuple[int, str]:
        """The answer's status and text, which is checked: no failure of ours, and nothing of what is outside."""
        async with self.http.post("/api/archives", data=io.BytesIO(archive)) as response:
            answer = await response.text()
            assert response.status in (200, 201, 400, 422), (response.status, answer[:300])
        if response.status == 201:
            await self._look_at(json.loads(answer)["id"])
        return response.status, answer

    async def _look_at(self, job: str) -> None:
        frames = json.loads(await self._get(f"/api/jobs/{job}/frames"))
        for part in ("", "/why", "/manifest", "/archive"):
            await self._get(f"/api/jobs/{job}{part}")
        for frame in frames:
            for part in ("result", "log"):
                await self._get(f"/api/jobs/{job}/frames/{frame['frame']}/{part}")

    async def _get(self, path: str) -> bytes:
        async with self.http.get(path) as response:
            body = await response.read()
        assert response.status < 500 and Outside.SECRET not in body, (path, body[:300])
        return body

    async def render_an_honest_job(self) -> None:
        self.honest += 1
        job = manifest("1", name=f"honest {self.honest}", discard=True)
        accepted = await announce(self.http, job)
        assert not accepted.missing
        work = await self.slave.work()
        assert work.job == accepted.id
        await self.slave.started(work, 1)
        answer = await self.slave.put_result(work, 1)
        assert answer.status == 204
        assert (await job_info(self.http, accepted.id)).state == "finished"
        self.outside.check()


@asynccontextmanager
async def attacked(folder: Path) -> AsyncIterator[tuple[Farm, RunningCoordinator]]:
    outside = Outside(folder / "outside")
    with running_coordinator(folder / "coordinator") as running:
        async with aiohttp.ClientSession(running.url) as http, FakeSlave(running.url, "honest") as slave:
            await submit(http, manifest("1", name="for the blob"))
            await slave.render(await slave.work())
            yield Farm(http, slave, outside), running
        jobs = {info.id for info in running.client.jobs()}
    outside.check()
    check_tree(folder, running.data)
    with running_coordinator(running.data) as again:  # what was taken in is what the next start takes
        assert {info.id for info in again.client.jobs()} == jobs


@pytest.mark.parametrize("there", [False, True], ids=["brings its files", "its files are there"])
async def test_every_name_number_and_path_made_hostile(tmp_path: Path, archive: bytes, there: bool) -> None:
    files = contents(archive)
    about = json.loads(files.pop("job.json"))
    refused = taken = 0
    async with attacked(tmp_path) as (farm, _):
        if there:
            assert (await farm.restore(archive))[0] == 201
            files = {}
        for place in list(places(about)):
            for number, value in enumerate((*VALUES, *farm.outside.values)):
                fresh = replaced(about, ("manifest", "again"), 1000 * (refused + taken) + number + 1)
                bad = text(with_id(replaced(fresh, place, value), place))
                status, _ = await farm.restore(packed({"job.json": bad, **files}))
                taken, refused = taken + (status == 201), refused + (status != 201)
                if status == 201:
                    await farm.render_an_honest_job()
            await farm.render_an_honest_job()
    assert refused > 500 and taken > 50


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"sha256": ""}, id="done without a result"),
        pytest.param({"seconds": None}, id="done in no time"),
        pytest.param({"frame": 7}, id="of another job"),
        pytest.param({"frame": 0}, id="twice"),
        pytest.param({"size": 1}, id="of another size"),
        pytest.param({"state": "error"}, id="an error with a result"),
        pytest.param({"state": "dispatched"}, id="with a slave"),
    ],
)
async def test_frames_that_cannot_be(tmp_path: Path, archive: bytes, change: dict[str, Any]) -> None:
    files = contents(archive)
    about = json.loads(files["job.json"])
    about["frames"][0] |= change
    async with attacked(tmp_path) as (farm, _):
        status, answer = await farm.restore(packed(files | {"job.json": text(about)}))
        assert (status, json.loads(answer)["code"]) == (400, "bad-request")
        assert (await farm.restore(archive))[0] == 201


@pytest.mark.parametrize(
    "change",
    [
        {"counts": {"queued": 2, "dispatched": 0, "done": 2, "error": 0}},
        {"slaves": {"anna": 5}},
        {"blender": ""},
        {"blender": "4.1"},
        {"started": None},
        {"state": "queued"},
        {"name": "another"},
        {"frames": "1-4"},
        {"priority": 0},
    ],
    ids=str,
)
async def test_jobs_that_cannot_be(tmp_path: Path, archive: bytes, change: dict[str, Any]) -> None:
    files = contents(archive)
    about = json.loads(files["job.json"])
    about["job"] |= change
    async with attacked(tmp_path) as (farm, _):
        status, answer = await farm.restore(packed(files | {"job.json": text(about)}))
        assert (status, json.loads(answer)["code"]) == (400, "bad-request")
        assert (await farm.restore(archive))[0] == 201


def tars(archive: bytes, outside: Path) -> Iterator[tuple[str, bytes]]:
    """Tar files that are none of ours, each with what makes it so."""
    files = contents(archive)
    result = next(name for name in files if name.startswith("results/"))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"S", b"V"):
        for name in ("job.json", result, "logs/-0001.log", "other"):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w") as made:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, str(outside) if kind == tarfile.SYMTYPE else "job.json"
                made.addfile(info)
                for other, data in files.items():
                    if other != name:
                        info = tarfile.TarInfo(other)
                        info.size = len(data)
                        made.addfile(info, io.BytesIO(data))
            yield f"{name} is of kind {kind!r}", out.getvalue()
    whole = packed(files)
    end = len(whole.rstrip(b"\0"))
    for cut in (0, 1, 511, 512, 513, 1024, end // 2, end - 600, end - 1):
        yield f"cut at {cut}", whole[:cut]
    doubled = whole[: len(whole) - len(whole) % 512].rstrip(b"\0")
    doubled += bytes(-len(doubled) % 512)
    yield "everything twice", doubled + whole
    for size in (
        b"77777777777\0",
        b"\x80" + b"\xff" * 11,
        b"\xff" * 12,
        b"\x80" + bytes(10) + b"\x01",
        b"-0000000001\0",
    ):
        head = bytearray(whole[:512])
        head[124:136] = size
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        yield f"a size of {size!r}", bytes(head) + whole[512:]
    for key, value in (
        ("size", "-1"),
        ("size", "9" * 30),
        ("path", ""),
        ("GNU.sparse.realsize", "99"),
        ("x" * 70_000, "1"),
    ):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                info.pax_headers = {key: value}
                made.addfile(info, io.BytesIO(data))
        yield f"a header {key[:20]} of {value!r}", out.getvalue()
    yield "job.json is too long", packed({"job.json": b" " * (64 * 2**20 + 1)})
    yield "job.json is no JSON", packed(files | {"job.json": b"{"})
    yield "job.json is no UTF-8", packed(files | {"job.json": b'"\xff"'})
    yield "nothing in it", bytes(10240)
    yield "no tar at all", b"x" * 100_000


async def test_tar_files_that_are_none_of_ours(tmp_path: Path, archive: bytes) -> None:
    async with attacked(tmp_path) as (farm, running):
        partial = running.data / "blobs" / "partial"
        for what, bad in tars(archive, farm.outside.file):
            status, answer = await farm.restore(bad)
            assert (status, json.loads(answer)["code"]) == (400, "bad-request"), what
            assert list(partial.iterdir()) == [], what
        await farm.render_an_honest_job()
        assert (await farm.restore(archive))[0] == 201
        assert list(partial.iterdir()) == []


async def test_a_job_with_more_frames_than_a_job_may_have(tmp_path: Path, archive: bytes) -> None:
    with running_coordinator(tmp_path / "small", max_frames=3) as running:
        async with aiohttp.ClientSession(running.url) as http, http.post("/api/archives", data=archive) as response:
            assert (response.status, (await response.json())["code"]) == (400, "bad-frames")
            assert "--max-frames" in (await response.json())["message"]


async def test_the_logs_come_back(tmp_path: Path, archive: bytes) -> None:
    files = contents(archive)
    log = files["logs/-0001.log"]
    assert log.endswith(b"rendered well\n")
    job = json.loads(files["job.json"])["job"]["id"]
    with running_coordinator(tmp_path / "other") as other, other.client as client:
        path = tmp_path / "job.tar"
        path.write_bytes(packed(files | {"logs/0002.log": b"of a frame that was not begun", "logs/x.log": b"of none"}))
        client.restore(path)
        assert client.log(job, -1) == log
        assert [path.name for path in (other.data / "logs" / job).iterdir()] == ["-1.log"]
        files["logs/-0001.log"] = b"x" * (3 * 2**20)
        path.write_bytes(packed(files))
        client.restore(path)
        assert client.log(job, -1) == log  # the job is there already
    with running_coordinator(tmp_path / "third") as other, other.client as client:
        client.restore(path)
        assert client.log(job, -1) == b"x" * 2**20


async def test_names_of_frames_are_blenders_and_those_of_before_are_found(tmp_path: Path, archive: bytes) -> None:
    files = contents(archive)
    assert {name for name in files if "/" in name} == {"sources/scene.blend", "results/-0001.exr", "logs/-0001.log"}
    before = {name.replace("-0001", "-001"): data for name, data in files.items()}
    path = tmp_path / "job.tar"
    path.write_bytes(packed(before))
    with running_coordinator(tmp_path / "other") as other, other.client as client:
        job = client.restore(path).id
        assert client.log(job, -1) == files["logs/-0001.log"]
        client.result(job, -1, tmp_path / "frame.exr")
        assert (tmp_path / "frame.exr").read_bytes() == result_of(job, -1) == files["results/-0001.exr"]


def test_the_archive_is_that_of_a_real_job(archive: bytes) -> None:
    about = json.loads(contents(archive)["job.json"])
    assert [frame["state"] for frame in about["frames"]] == ["done", "error", "queued"]
    assert len(about["manifest"]) == len(attrs.fields(Manifest))
