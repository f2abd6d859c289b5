"""Results that must arrive, over refusals, damage and restarts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from coordinator.errors import NetrenderError, StorageError
from coordinator.protocol.states import Fault
from coordinator.slave.api import Api
from coordinator.slave.exports import Exports
from coordinator.slave.outbox import Outbox, Result
from coordinator.slave.trace import Trace

from ..disks import small_disk
from .standin import StandIn, error, sha

JOB = "0123456789abcdef"


class Box:
    """An outbox and what it has told."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.folder = folder / "outbox"
        self.rendered = folder / "rendered.exr"
        self.settled: list[tuple[int, str | None]] = []
        self.faults: list[Fault] = []  # of what could not be delivered
        self.outbox = Outbox(self.folder, api, Trace(None), Exports((), api), self._settled)
        self.left = self.outbox.load()
        self.task: asyncio.Task[None] | None = None

    def _settled(self, result: Result, failure: NetrenderError | None) -> None:
        self.settled.append((result.frame, None if failure is None else failure.message))
        if failure is not None:
            self.faults.append(failure.fault)

    async def add(self, frame: int, lease: int = 1) -> None:
        self.rendered.write_bytes(b"frame %d" % frame)
        sent = asyncio.Event()
        sent.set()
        await self.outbox.add(self.rendered, job=JOB, frame=frame, lease=lease, seconds=0.5, after=sent)

    def run(self) -> None:
        self.task = asyncio.create_task(self.outbox.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
async def box(api: Api, tmp_path: Path) -> AsyncIterator[Callable[[], Box]]:
    boxes: list[Box] = []

    def make() -> Box:
        boxes.append(Box(tmp_path, api))
        return boxes[-1]

    yield make
    for one in boxes:
        await one.stop()


async def test_results_are_delivered_and_forgotten(standin: StandIn, box: Callable[[], Box]) -> None:
    one = box()
    for frame in (1, 2, 3):
        await one.add(frame)
    assert one.outbox.held() == {1: {1, 2, 3}}
    one.run()
    await one.outbox.delivered()
    assert standin.results == {(JOB, frame): b"frame %d" % frame for frame in (1, 2, 3)}
    assert sorted(one.settled) == [(1, None), (2, None), (3, None)]
    assert (one.files, one.outbox.held()) == ([], {})


async def test_two_go_at_once(standin: StandIn, box: Callable[[], Box]) -> None:
    """Each answer is held until the other request is there."""

    async def both(frame: int) -> None:
        await standin.until(lambda: len(standin.requests) == 2)

    standin.on_put = both
    one = box()
    await one.add(1)
    await one.add(2)
    one.run()
    await one.outbox.delivered()
    assert len(standin.results) == 2


async def test_a_result_waits_for_its_log(standin: StandIn, box: Callable[[], Box]) -> None:
    one = box()
    one.rendered.write_bytes(b"frame 1")
    sent = asyncio.Event()
    await one.outbox.add(one.rendered, job=JOB, frame=1, lease=1, seconds=0.5, after=sent)
    await one.add(2)
    one.run()
    await standin.until(lambda: (JOB, 2) in standin.results)
    assert standin.requests == ["PUT 2"]
    sent.set()
    await one.outbox.delivered()
    assert len(standin.results) == 2


async def test_they_survive_a_restart(standin: StandIn, box: Callable[[], Box]) -> None:
    first = box()
    await first.add(1, lease=4)
    await first.add(2, lease=5)
    (first.folder / "6_9.exr").write_bytes(b"killed before its JSON was written")
    (first.folder / "6_8.json").write_text("{}")
    second = box()
    assert sorted(result.frame for result in second.left) == [1, 2]
    assert second.outbox.held().keys() == {4, 5}
    assert second.files == ["4_1.exr", "4_1.json", "5_2.exr", "5_2.json"]
    second.run()
    await second.outbox.delivered()
    assert standin.results == {(JOB, 1): b"frame 1", (JOB, 2): b"frame 2"}
    assert box().left == []


@pytest.mark.parametrize("status, code", [(409, "stale-lease"), (404, "not-found"), (410, "gone")])
async def test_a_result_that_nobody_wants_is_dropped(
    standin: StandIn, box: Callable[[], Box], status: int, code: str
) -> None:
    async def refuse(frame: int) -> web.Response:
        return error(status, code, "not yours")

    standin.on_put = refuse
    one = box()
    await one.add(1)
    one.run()
    await one.outbox.delivered()
    assert (one.settled, one.files, standin.requests) == ([(1, None)], [], ["PUT 1"])


async def test_a_broken_coordinator_gets_it_later(standin: StandIn, box: Callable[[], Box]) -> None:
    async def break_down(frame: int) -> web.Response | None:
        return error(500, "error", "oops") if len(standin.requests) < 3 else None

    standin.on_put = break_down
    one = box()
    await one.add(1)
    one.run()
    await one.outbox.delivered()
    assert standin.results == {(JOB, 1): b"frame 1"}
    assert one.settled == [(1, None)]


async def test_nothing_is_sent_while_there_is_no_connection(standin: StandIn, box: Callable[[], Box], api: Api) -> None:
    api.online.clear()
    one = box()
    await one.add(1)
    one.run()
    async with api.session.get(f"{standin.url}/api/jobs/none/manifest"):
        assert standin.requests == ["GET manifest none"]
    api.online.set()
    await one.outbox.delivered()
    assert standin.requests == ["GET manifest none", "PUT 1"]


async def test_damage_on_the_way_is_sent_again(standin: StandIn, box: Callable[[], Box]) -> None:
    async def damaged_once(frame: int) -> web.Response | None:
        return error(422, "blob-mismatch", "wrong bytes") if len(standin.requests) == 1 else None

    standin.on_put = damaged_once
    one = box()
    await one.add(1)
    one.run()
    await one.outbox.delivered()
    assert standin.requests == ["PUT 1", "PUT 1"]
    assert one.settled == [(1, None)]


async def test_damage_on_the_disk_fails_the_frame(standin: StandIn, box: Callable[[], Box]) -> None:
    async def check(frame: int) -> web.Response:
        return error(422, "blob-mismatch", "wrong bytes")

    standin.on_put = check
    one = box()
    await one.add(1)
    (one.folder / "1_1.exr").write_bytes(b"bit rot")
    one.run()
    await one.outbox.delivered()
    assert one.settled == [(1, "the result was damaged on the slave's disk")]
    assert (one.files, standin.requests) == ([], ["PUT 1"])


async def test_a_result_that_the_coordinator_cannot_take_fails_the_frame(
    standin: StandIn, box: Callable[[], Box]
) -> None:
    async def refuse(frame: int) -> web.Response:
        return error(400, "bad-request", "Netrender-Seconds: no number")

    standin.on_put = refuse
    one = box()
    await one.add(1)
    one.run()
    await one.outbox.delivered()
    assert one.settled == [(1, "the coordinator does not take the result: Netrender-Seconds: no number")]


async def test_results_of_a_revoked_lease_are_not_sent(standin: StandIn, box: Callable[[], Box]) -> None:
    one = box()
    await one.add(1, lease=1)
    await one.add(2, lease=2)
    one.outbox.discard(1)
    assert one.outbox.held().keys() == {2}
    one.run()
    await one.outbox.delivered()
    assert standin.results == {(JOB, 2): b"frame 2"}
    assert one.files == []


async def test_the_hash_is_that_of_the_file(box: Callable[[], Box]) -> None:
    one = box()
    await one.add(1)
    (left,) = box().left
    assert (left.sha256, left.size, left.seconds) == (sha(b"frame 1"), 7, 0.5)


@pytest.mark.parametrize("outbox", [True, False])
async def test_a_result_that_a_full_disk_cannot_keep_is_sent_from_where_it_lies(
    standin: StandIn, api: Api, tmp_path: Path, outbox: bool
) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        one = Box(disk.folder, api)
        if not outbox:  # it cannot even be moved there
            one.folder.rmdir()
            one.folder.write_text("a file")
        one.rendered.write_bytes(b"frame 1")
        disk.fill()
        sent = asyncio.Event()
        await one.outbox.add(one.rendered, job=JOB, frame=1, lease=1, seconds=0.5, after=sent)
        assert one.outbox.held() == {1: {1}}
        sent.set()
        one.run()
        await one.outbox.delivered()
        await one.stop()
        assert standin.results == {(JOB, 1): b"frame 1"} and one.settled == [(1, None)]
        assert not list(disk.folder.rglob("*.exr"))


async def test_a_result_that_is_lost_on_the_disk_is_the_machines_fault(
    standin: StandIn, box: Callable[[], Box]
) -> None:
    one = box()
    await one.add(1)
    (one.folder / "1_1.exr").unlink()
    one.run()
    await one.outbox.delivered()
    [(frame, message)] = one.settled
    assert frame == 1 and "lost on the slave's disk" in str(message) and one.faults == [Fault.MACHINE]
    one.rendered.unlink(missing_ok=True)
    with pytest.raises(StorageError, match="lost on the slave's disk"):
        await one.outbox.add(one.rendered, job=JOB, frame=2, lease=1, seconds=0.5, after=asyncio.Event())
