"""Results and logs over HTTP: under a valid lease only, and what is refused changes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from attrs import frozen

from coordinator.constants import FRAME_ATTEMPTS, MAX_LOG
from coordinator.protocol import messages
from coordinator.protocol.jobs import FrameInfo
from coordinator.protocol.states import FrameState, JobState

from ..coordinators import RunningCoordinator
from ..slaves import Answer, FakeSlave, result_of, slave_id
from ..submissions import job_info, manifest, sha256, submit
from ..watching import watching

SLAVE, LEASE, SECONDS, SHA = "Netrender-Slave", "Netrender-Lease", "Netrender-Seconds", "Netrender-SHA256"


@frozen
class Rendering:
    """A job of frames 1-4 in chunks of 2: ``anna`` has 1 and 2, ``bert`` has 3 and 4."""

    job: str
    coordinator: RunningCoordinator
    anna: FakeSlave
    bert: FakeSlave
    annas: messages.Work
    berts: messages.Work

    def frames(self) -> dict[int, FrameInfo]:
        with self.coordinator.client as client:
            return {info.frame: info for info in client.frames(self.job)}


@pytest.fixture
async def rendering(coordinator: RunningCoordinator, http: aiohttp.ClientSession) -> AsyncIterator[Rendering]:
    job = await submit(http)
    async with FakeSlave(coordinator.url, "anna") as anna:
        annas = await anna.work()
        async with FakeSlave(coordinator.url, "bert") as bert:
            berts = await bert.work()
            assert (annas.frames, berts.frames) == ((1, 2), (3, 4))
            yield Rendering(job, coordinator, anna, bert, annas, berts)


async def get_result(http: aiohttp.ClientSession, job: str, frame: int) -> tuple[int, Any]:
    async with http.get(f"/api/jobs/{job}/frames/{frame}/result") as response:
        return response.status, await (response.read() if response.status < 400 else response.json())


async def test_a_result_arrives(http: aiohttp.ClientSession, rendering: Rendering) -> None:
    r, data = rendering, result_of(rendering.job, 2)
    assert await get_result(http, r.job, 2) == (204, b"")
    assert await r.anna.put_result(r.annas, 2, seconds=2.5) == Answer(204)
    async with http.get(f"/api/jobs/{r.job}/frames/2/result") as response:
        assert (response.status, response.content_type) == (200, "image/x-exr")
        assert response.headers["ETag"] == f'"{sha256(data)}"'
        assert await response.read() == data
    async with http.get(f"/api/jobs/{r.job}/frames/2/result", headers={"Range": "bytes=4-"}) as response:
        assert (response.status, await response.read()) == (206, data[4:])
    assert r.frames()[2] == FrameInfo(
        frame=2, state=FrameState.DONE, slave="anna", seconds=2.5, sha256=sha256(data), size=len(data)
    )
    info = await job_info(http, r.job)
    assert (info.counts.done, info.counts.dispatched, info.slaves) == (1, 3, {"anna": 1})


async def test_the_last_result_finishes_the_job(http: aiohttp.ClientSession, rendering: Rendering) -> None:
    r = rendering
    assert await r.anna.put_result(r.annas, 1) == Answer(204)
    await r.bert.render(r.berts)
    assert (await job_info(http, r.job)).state is JobState.QUEUED
    assert await r.anna.put_result(r.annas, 2) == Answer(204)
    info = await job_info(http, r.job)
    assert (info.state, info.reason, info.counts.done) == (JobState.FINISHED, "all frames are done", 4)
    assert info.started is not None and info.finished is not None and info.finished >= info.started


@pytest.mark.parametrize(
    ("headers", "frame", "status", "code", "named"),
    [
        ({LEASE: "999"}, 1, 409, "stale-lease", "lease 999"),
        ({SLAVE: slave_id("bert")}, 1, 409, "stale-lease", "frame 1"),
        ({SLAVE: slave_id("nobody")}, 1, 409, "stale-lease", "frame 1"),
        ({}, 3, 409, "stale-lease", "frame 3"),
        ({}, 5, 409, "stale-lease", "frame 5"),
        ({SHA: "0" * 64}, 1, 422, "blob-mismatch", "0" * 64),
        ({SHA: "nonsense"}, 1, 400, "bad-request", "nonsense"),
        ({LEASE: "one"}, 1, 400, "bad-request", "Netrender-Lease"),
        ({LEASE: "-1"}, 1, 400, "bad-request", "Netrender-Lease"),
        ({SECONDS: "fast"}, 1, 400, "bad-request", "Netrender-Seconds"),
        ({SECONDS: "nan"}, 1, 400, "bad-request", "Netrender-Seconds"),
        ({SECONDS: "-1"}, 1, 400, "bad-request", "Netrender-Seconds"),
    ],
)
async def test_a_result_that_is_refused_changes_nothing(
    http: aiohttp.ClientSession,
    rendering: Rendering,
    headers: dict[str, str],
    frame: int,
    status: int,
    code: str,
    named: str,
) -> None:
    r = rendering
    before = await job_info(http, r.job), r.frames()
    answer = await r.anna.put_result(r.annas, frame, headers=headers)
    assert (answer.status, answer.code) == (status, code) and named in answer.message
    assert (await job_info(http, r.job), r.frames()) == before
    assert [path for path in (r.coordinator.data / "results").rglob("*") if path.is_file()] == []
    assert await r.anna.put_result(r.annas, 1) == Answer(204), "the right one is still welcome"


@pytest.mark.parametrize("missing", [SLAVE, LEASE, SECONDS, SHA])
async def test_a_result_without_a_header_is_refused(
    http: aiohttp.ClientSession, rendering: Rendering, missing: str
) -> None:
    r = rendering
    everything = {SLAVE: r.anna.id, LEASE: str(r.annas.lease), SECONDS: "1", SHA: sha256(b"x")}
    headers = {name: value for name, value in everything.items() if name != missing}
    async with http.put(f"/api/jobs/{r.job}/frames/1/result", data=b"x", headers=headers) as response:
        assert response.status == 400
        assert missing in (await response.json())["message"]


async def test_a_result_without_a_body_is_refused(rendering: Rendering) -> None:
    answer = await rendering.anna.put_result(rendering.annas, 1, b"")
    assert (answer.status, answer.code) == (400, "bad-request")


async def test_a_result_of_another_job_is_refused(http: aiohttp.ClientSession, rendering: Rendering) -> None:
    r = rendering
    other = await submit(http, manifest(name="other"))
    wrong = messages.Work(lease=r.annas.lease, job=other, frames=(1,))
    assert (await r.anna.put_result(wrong, 1)).code == "stale-lease"


async def test_a_frame_is_delivered_once(http: aiohttp.ClientSession, rendering: Rendering) -> None:
    r = rendering
    assert await r.anna.put_result(r.annas, 1) == Answer(204)
    assert (await r.anna.put_result(r.annas, 1, b"other pixels")).code == "stale-lease"
    assert await get_result(http, r.job, 1) == (200, result_of(r.job, 1))


async def test_the_result_of_a_cancelled_job_is_refused(http: aiohttp.ClientSession, rendering: Rendering) -> None:
    r = rendering
    await http.post(f"/api/jobs/{r.job}/cancel")
    assert (await r.anna.put_result(r.annas, 1)).code == "stale-lease"
    assert await get_result(http, r.job, 1) == (204, b"")


async def test_a_frame_that_fails_too_often_is_given_up(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    job = await submit(http, manifest("7", chunk=1))
    async with watching(http, job) as events, FakeSlave(coordinator.url, "anna") as anna:
        for attempt in range(1, FRAME_ATTEMPTS + 1):
            work = await anna.work()
            await anna.started(work, 7)
            await anna.failed(work, 7, "out of memory")
            event = await events.until(messages.FrameFailed)
            assert (event.slave, event.message, event.final) == ("anna", "out of memory", attempt == FRAME_ATTEMPTS)
        status, error = await get_result(http, job, 7)
        assert (status, error["code"]) == (417, "frame-failed")
        assert "anna" in error["message"] and "out of memory" in error["message"]
        info = await job_info(http, job)
        assert (info.state, info.reason, info.counts.error) == (JobState.FINISHED, "1 of 1 frames failed", 1)

        async with http.post(f"/api/jobs/{job}/reset") as response:
            assert response.status == 200
        work = await anna.work()
        assert await get_result(http, job, 7) == (204, b"")
        await anna.render(work)
        assert await get_result(http, job, 7) == (200, result_of(job, 7))


async def test_the_frames_that_were_dispatched_are_listed(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    job = await submit(http)
    async with FakeSlave(coordinator.url) as anna:
        await anna.work()
        with coordinator.client as client:
            assert client.frames(job) == [
                FrameInfo(frame=frame, state=FrameState.DISPATCHED, slave="anna") for frame in (1, 2)
            ]
        assert await get_result(http, job, 3) == (204, b""), "known, though it has no record"


@pytest.mark.parametrize("what", ["result", "log"])
async def test_a_frame_that_the_job_does_not_have(http: aiohttp.ClientSession, what: str) -> None:
    job = await submit(http)
    async with http.get(f"/api/jobs/{job}/frames/99/{what}") as response:
        assert response.status == 404 and "no frame 99" in (await response.json())["message"]
    async with http.get(f"/api/jobs/{job}/frames/one/{what}") as response:
        assert response.status == 400 and "'one'" in (await response.json())["message"]


async def get_log(http: aiohttp.ClientSession, job: str, frame: int, start: int = 0) -> tuple[int, str]:
    headers = {"Range": f"bytes={start}-"} if start else {}
    async with http.get(f"/api/jobs/{job}/frames/{frame}/log", headers=headers) as response:
        return response.status, await response.text()


async def test_a_log_grows_while_the_frame_renders(http: aiohttp.ClientSession, rendering: Rendering) -> None:
    r = rendering
    assert (await get_log(http, r.job, 1))[0] == 404
    async with watching(http, r.job) as events:
        assert await r.anna.post_log(r.annas, 1, "Sample 1/4 é\n") == Answer(204)
        size = (await events.until(messages.LogAppended, frame=1)).size
        expected = f"--- anna, lease {r.annas.lease}\nSample 1/4 é\n"
        assert await get_log(http, r.job, 1) == (200, expected) and size == len(expected.encode())
        assert (await get_log(http, r.job, 1, start=size))[0] == 416
        assert await r.anna.post_log(r.annas, 1, "Sample 2/4\n") == Answer(204)
        assert await get_log(http, r.job, 1, start=size) == (206, "Sample 2/4\n")


async def test_a_log_without_the_lease_is_refused(http: aiohttp.ClientSession, rendering: Rendering) -> None:
    r = rendering
    assert (await r.anna.post_log(r.annas, 1, "x", lease=r.berts.lease)).code == "stale-lease"
    assert (await r.anna.post_log(r.annas, 3, "x")).code == "stale-lease"
    await r.anna.render(r.annas)
    assert (await r.anna.post_log(r.annas, 1, "too late")).code == "stale-lease"
    assert (await get_log(http, r.job, 1))[0] == 404


async def test_every_attempt_begins_with_who_made_it(
    http: aiohttp.ClientSession, coordinator: RunningCoordinator
) -> None:
    job = await submit(http, manifest("1"))
    leases = []
    async with FakeSlave(coordinator.url, "anna") as anna:
        for _ in range(2):
            work = await anna.work()
            leases.append(work.lease)
            await anna.post_log(work, 1, "crash\n")
            await anna.failed(work, 1)
    expected = "".join(f"--- anna, lease {lease}\ncrash\n" for lease in leases)
    assert await get_log(http, job, 1) == (200, expected)


async def test_a_log_is_kept_up_to_its_limit(http: aiohttp.ClientSession, rendering: Rendering) -> None:
    r = rendering
    for _ in range(3):
        assert await r.anna.post_log(r.annas, 1, "x" * (MAX_LOG // 2)) == Answer(204)
    status, text = await get_log(http, r.job, 1)
    assert status == 200 and len(text) == MAX_LOG
