"""What lies in a slave's folders, and what a coordinator says: nothing of it leads out of them, or ends the slave."""

import asyncio
import os
from pathlib import Path

import attrs
import pytest

from coordinator.errors import BadRequestError
from coordinator.protocol import codec, messages
from coordinator.slave.api import Api
from coordinator.slave.cache import Cache
from coordinator.slave.exports import Exports
from coordinator.slave.outbox import Outbox, Result
from coordinator.slave.rooms import TREE
from coordinator.slave.trace import Trace

from ..hostile import INFINITE, VALUES, Outside, places, replaced, text
from .conftest import StartSlave
from .standin import StandIn, sha

JOB = "0123456789abcdef"
HONEST = Result(job=JOB, frame=1, lease=1, seconds=0.5, sha256=sha(b"frame 1"), size=7, results="/srv/renders")


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    return Outside(tmp_path / "outside")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class Box:
    """An outbox with one honest result, and whatever a test puts beside it."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.folder = folder / "outbox"
        self.folder.mkdir()
        self._api = api
        self.put("1_1", text(codec.unstructure(HONEST)), b"frame 1")

    def put(self, name: str, about: bytes, result: bytes) -> None:
        (self.folder / f"{name}.json").write_bytes(about)
        (self.folder / f"{name}.exr").write_bytes(result)

    async def delivers_the_honest_one(self) -> None:
        outbox = Outbox(self.folder, self._api, Trace(None), Exports((), self._api), lambda result, failure: None)
        assert outbox.load() == [HONEST]
        delivering = asyncio.create_task(outbox.run())
        await outbox.delivered()
        delivering.cancel()
        await asyncio.wait({delivering})


async def test_every_value_of_a_result_made_hostile(
    standin: StandIn, api: Api, tmp_path: Path, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path, api)
    other = codec.unstructure(attrs.evolve(HONEST, frame=2, lease=2, sha256=sha(b"frame 2")))
    bad: list[bytes] = [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b" " * 10**6]
    honest = {("seconds", 0), ("seconds", 1.5), ("results", ""), ("results", "C:\\x"), ("results", "/etc/passwd")}
    bad += [
        text(replaced(other, place, value))
        for place in places(other)
        for value in (*VALUES, *outside.values[1:])
        if not isinstance(value, str | int | float) or (place[0], value) not in honest
    ]
    for number, about in enumerate(bad):
        box.put(f"2_{number}", about, b"frame 2")
    box.put("2_2000000", text(other), b"frame 2")  # a name that says something else
    await box.delivers_the_honest_one()
    assert standin.results == {(JOB, 1): b"frame 1"} and list(box.folder.iterdir()) == []
    assert len({name for name in caplog.messages if name.startswith("outbox: 2_")}) >= len(bad)
    outside.check()


async def test_what_is_no_file_in_an_outbox(
    standin: StandIn, api: Api, tmp_path: Path, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path, api)
    secret = attrs.evolve(HONEST, frame=3, sha256=sha(Outside.SECRET), size=len(Outside.SECRET))
    (box.folder / "1_3.json").write_bytes(text(codec.unstructure(secret)))
    (box.folder / "1_3.exr").symlink_to(outside.file)
    (box.folder / "1_4.json").symlink_to(outside.file)
    (box.folder / "1_4.exr").write_bytes(b"frame 4")
    (box.folder / "1_5.json").mkdir()
    (box.folder / "1_6.json").write_bytes(text(codec.unstructure(attrs.evolve(HONEST, frame=6))))
    (box.folder / "1_6.exr").mkdir()
    (box.folder / "folder").symlink_to(outside.root)
    os.mkfifo(box.folder / "1_7.json")
    await box.delivers_the_honest_one()
    assert standin.results == {(JOB, 1): b"frame 1"}
    assert {path.name for path in box.folder.iterdir()} == {"1_5.json", "1_6.exr"}  # folders are none of ours
    for name in ("1_3.json", "1_4.json", "1_5.json", "1_6.json", "1_7.json"):
        assert any(name in message for message in caplog.messages), name
    outside.check()


async def test_what_is_no_file_in_a_cache(
    standin: StandIn, api: Api, tmp_path: Path, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    files = {"textures/a.png": Outside.SECRET[::-1], "textures/deep/b.png": b"png", "c.png": b"c" * 100_000}
    job = standin.job("1", files=files)
    folder = tmp_path / "cache"
    place, blobs, partial = folder / "jobs" / job.id / TREE, folder / "blobs", folder / "partial"
    for one in (place, blobs, partial):
        one.mkdir(parents=True)
    a, b, c = (sha(data) for data in files.values())
    (blobs / a[:2]).symlink_to(outside.root)
    (blobs / b[:2] / b).mkdir(parents=True)
    (partial / c).symlink_to(outside.file)
    (place / "textures").symlink_to(outside.root)
    (place / "c.png").symlink_to(outside.file)
    (place / "a.blend.netrender-part").symlink_to(outside.file)
    (folder / "jobs" / "strange").symlink_to(outside.root)
    (blobs / "strange").symlink_to(outside.file)
    cache = Cache(folder, api, Trace(None), limit=1)
    tree = await cache.prepare(job.id, (1,))
    for name, data in files.items():
        found = tree.folder / name
        assert found.read_bytes() == data and found.resolve().is_relative_to(folder.resolve()), name
    outside.check()
    assert any(str(place / "textures") in message for message in caplog.messages)


async def test_a_jobs_folder_that_is_a_link(standin: StandIn, api: Api, tmp_path: Path, outside: Outside) -> None:
    """Neither laid out into what it leads to, nor moved from there when a renderer takes the job's files in."""
    job = standin.job("1")
    jobs = tmp_path / "cache" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / job.id).symlink_to(outside.root)
    cache = Cache(tmp_path / "cache", api, Trace(None))
    tree = await cache.prepare(job.id, (1,))
    assert tree.blend.resolve().is_relative_to(tmp_path / "cache")
    outside.check()


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "", "A" * 64, "a" * 63, "a" * 64 + "\n", "\0"])
async def test_a_cache_takes_no_name_but_a_sha256(api: Api, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequestError, match="SHA-256"):
        await Cache(tmp_path / "cache", api, Trace(None)).fetch(name, 1)


async def test_what_a_chunk_may_not_be(standin: StandIn, slave: StartSlave, tmp_path: Path, outside: Outside) -> None:
    """The slave ends the connection, comes back, and renders what it is given then."""
    slave()
    job = standin.job("1-3")
    work: messages.ToSlave = messages.Work(lease=1, job=job.id, frames=(1,))
    honest = codec.unstructure(work, messages.ToSlave)
    bad = [("job", "../../x"), ("job", str(outside.file)), ("lease", 2**70), ("lease", -1), ("stall", INFINITE)]
    for number, (name, value) in enumerate([*bad, ("frames", [2**70])], start=1):
        await standin.until(lambda number=number: len(standin.hellos) == number)  # type: ignore[misc]
        await standin.until(lambda: len(standin._sockets) == 1)
        for socket in list(standin._sockets):
            await socket.send_str(text(replaced(honest, (name,), value)).decode())
    await standin.until(lambda: len(standin.hellos) == len(bad) + 2)
    await standin.give(7, job, 1, 2)
    await standin.has_results(job, 1, 2)
    outside.check()
    assert names(tmp_path / "slave" / "cache" / "jobs") == {job.id} and "x" not in names(tmp_path)
