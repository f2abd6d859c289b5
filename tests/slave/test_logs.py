"""A frame's log on its way."""

import asyncio

from aiohttp import web

from coordinator.constants import MAX_LOG
from coordinator.slave.api import Api
from coordinator.slave.logs import FrameLog

from .standin import StandIn, error

JOB = "0123456789abcdef"


def new(api: Api) -> tuple[FrameLog, "asyncio.Task[None]"]:
    log = FrameLog(api, job=JOB, frame=1, lease=1)
    return log, asyncio.create_task(log.run())


async def test_lines_arrive_before_it_is_closed_and_all_of_them_after(standin: StandIn, api: Api) -> None:
    log, task = new(api)
    log.write("first")
    await standin.until(lambda: bool(standin.logs))
    assert not log.sent.is_set()
    for number in range(100):
        log.write(f"line {number}")
    log.close()
    await task
    assert log.sent.is_set()
    assert standin.logs[JOB, 1].splitlines() == ["first", *(f"line {number}" for number in range(100))]


async def test_an_empty_one_is_not_sent(standin: StandIn, api: Api) -> None:
    log, task = new(api)
    log.close()
    await task
    assert log.sent.is_set()
    assert standin.logs == {}


async def test_it_can_be_cancelled_at_the_moment_of_its_end(standin: StandIn, api: Api) -> None:
    await standin.stop()
    log, task = new(api)
    log.write("said while it was away")
    await asyncio.sleep(0)  # it waits for more lines
    log.close()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_it_waits_for_the_coordinator(standin: StandIn, api: Api) -> None:
    await standin.stop()
    log, task = new(api)
    log.write("said while it was away")
    log.close()
    await standin.start()
    await task
    assert standin.logs[JOB, 1] == "said while it was away\n"


async def test_it_has_a_limit(standin: StandIn, api: Api) -> None:
    log, task = new(api)
    line = "x" * 999
    for _ in range(2 * MAX_LOG // 1000):
        log.write(line)
    log.close()
    await task
    *lines, last = standin.logs[JOB, 1].splitlines()
    assert set(lines) == {line}
    assert len(lines) == MAX_LOG // 1000
    assert last == "[the log is too long: the rest is left out]"


async def test_one_that_nobody_wants_is_dropped(api: Api, standin: StandIn) -> None:
    log, task = new(api)
    standin.on_log = refuse
    log.write("of a lease that was revoked")
    log.close()
    await task
    assert log.sent.is_set()
    assert standin.logs == {}


async def refuse() -> web.Response:
    return error(409, "stale-lease", "not yours")
