"""Jobs over HTTP: announced once, refused when they are wrong, commanded."""

import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from coordinator import __version__
from coordinator.constants import MAX_FRAMES_PER_JOB, MAX_JSON_BODY, PROTOCOL_VERSION
from coordinator.protocol import codec
from coordinator.protocol.jobs import JobInfo, Manifest
from coordinator.protocol.states import JobState

from ..coordinators import running_coordinator
from ..submissions import BLEND, announce, job_info, manifest, sha256, submit, upload


async def get(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(path) as response:
        return await response.json()


async def post(http: aiohttp.ClientSession, path: str, body: str = "") -> tuple[int, dict[str, Any]]:
    async with http.post(path, data=io.BytesIO(body.encode(errors="surrogatepass"))) as response:
        return response.status, await response.json()


async def test_the_version_names_the_protocol(http: aiohttp.ClientSession) -> None:
    assert await get(http, "/api/version") == {"netrender": __version__, "protocol": PROTOCOL_VERSION}


async def test_a_new_job_waits_for_its_files(http: aiohttp.ClientSession) -> None:
    job = manifest()
    status, accepted = await post(http, "/api/jobs", codec.dumps(job))
    assert status == 201
    assert accepted == {"id": job.id, "state": "waiting", "new": True, "missing": [sha256(BLEND)], "bases": {}}
    info = await job_info(http, job.id)
    assert (info.state, info.reason, info.counts.queued) == (JobState.WAITING, "waits for 1 file", 4)
    assert codec.structure(await get(http, f"/api/jobs/{job.id}/manifest"), Manifest) == job


async def test_announced_twice_is_announced_once(http: aiohttp.ClientSession) -> None:
    job = codec.dumps(manifest())
    _, first = await post(http, "/api/jobs", job)
    status, second = await post(http, "/api/jobs", job)
    assert (status, second) == (200, first | {"new": False})
    assert len(await get(http, "/api/jobs")) == 1


async def test_another_number_makes_another_job(http: aiohttp.ClientSession) -> None:
    first, second = await announce(http, manifest()), await announce(http, manifest(again=1))
    assert first.id != second.id and second.new


async def test_jobs_are_listed_newest_first(http: aiohttp.ClientSession) -> None:
    ids = [(await announce(http, manifest(name=name))).id for name in "abc"]
    assert [job["id"] for job in await get(http, "/api/jobs")] == ids[::-1]


async def test_a_job_whose_files_are_there_is_queued(http: aiohttp.ClientSession) -> None:
    await upload(http, BLEND)
    accepted = await announce(http, manifest())
    assert (accepted.state, accepted.missing) == (JobState.QUEUED, ())


async def test_a_job_leaves_waiting_by_itself(http: aiohttp.ClientSession) -> None:
    job = await announce(http, manifest(files={"scene.blend": BLEND, "textures/wood.png": b"wood"}))
    assert len(job.missing) == 2
    await upload(http, BLEND)
    assert (await job_info(http, job.id)).state is JobState.WAITING
    again = await announce(http, manifest(files={"scene.blend": BLEND, "textures/wood.png": b"wood"}))
    assert again.missing == (sha256(b"wood"),), "only what is still missing"
    await upload(http, b"wood")
    assert (await job_info(http, job.id)).state is JobState.QUEUED


GOOD = codec.unstructure(manifest())
WRONG = {
    "not JSON": ("{", "bad-request", "not JSON"),
    "no object": ("[]", "bad-request", "expected an object"),
    "NaN": (json.dumps(GOOD | {"priority": float("nan")}), "bad-request", "NaN"),
    "unknown field": (json.dumps(GOOD | {"colour": "red"}), "bad-request", "unknown field colour"),
    "missing field": (json.dumps({k: v for k, v in GOOD.items() if k != "frames"}), "bad-request", "frames: missing"),
    "wrong type": (json.dumps(GOOD | {"priority": "1"}), "bad-request", "priority: expected int"),
    "number too high": (json.dumps(GOOD | {"priority": 11}), "bad-request", "priority"),
    "wrong type inside": (
        json.dumps(GOOD | {"files": [GOOD["files"][0] | {"size": 1.5}]}),
        "bad-request",
        "files[0].size: expected int",
    ),
    "unknown inside": (
        json.dumps(GOOD | {"render": GOOD["render"] | {"fast": True}}),
        "bad-request",
        "render: unknown field fast",
    ),
    "half a character": (json.dumps(GOOD | {"name": "\ud800"}), "bad-request", "name"),
    "no version": (json.dumps(GOOD | {"blender": "9" * 5000 + ".0"}), "bad-request", "blender"),
    "blend not listed": (json.dumps(GOOD | {"blend": "other.blend"}), "bad-request", "'other.blend'"),
    "no SHA-256": (json.dumps(GOOD | {"files": [GOOD["files"][0] | {"sha256": "abc"}]}), "bad-request", "'abc'"),
    "path out of the job": (
        json.dumps(GOOD | {"files": [GOOD["files"][0] | {"path": "../scene.blend"}]}),
        "bad-path",
        "'../scene.blend'",
    ),
    "no frames": (json.dumps(GOOD | {"frames": ""}), "bad-frames", "empty"),
    "reversed": (json.dumps(GOOD | {"frames": "4-1"}), "bad-frames", "backwards"),
    "enormous frame": (json.dumps(GOOD | {"frames": "1-" + "9" * 5000}), "bad-frames", "frames"),
    "too many frames": (json.dumps(GOOD | {"frames": "1-1000000"}), "bad-frames", str(MAX_FRAMES_PER_JOB)),
    "other spelling": (json.dumps(GOOD | {"frames": "1-2,3-4,4"}), "bad-request", "frames"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_manifest_is_refused_by_name(http: aiohttp.ClientSession, case: str) -> None:
    body, code, named = WRONG[case]
    status, error = await post(http, "/api/jobs", body)
    assert (status, error["code"]) == (400, code), error
    assert named in error["message"]
    assert await get(http, "/api/jobs") == []


async def test_a_body_without_end_is_refused(http: aiohttp.ClientSession) -> None:
    status, error = await post(http, "/api/jobs", " " * (MAX_JSON_BODY + 1))
    assert (status, error["code"]) == (413, "bad-request")


async def test_the_coordinator_may_allow_fewer_frames(tmp_path: Path) -> None:
    with running_coordinator(tmp_path, max_frames=10) as coordinator:
        async with aiohttp.ClientSession(coordinator.url) as http:
            status, error = await post(http, "/api/jobs", codec.dumps(manifest("1-11")))
            assert status == 400 and "11 are more than the 10" in error["message"]
            status, _ = await post(http, "/api/jobs", codec.dumps(manifest("1-10")))
            assert status == 201


async def test_cancel_then_reset_brings_a_job_back(http: aiohttp.ClientSession) -> None:
    job = await submit(http)
    status, info = await post(http, f"/api/jobs/{job}/cancel")
    assert (status, info["state"]) == (200, "cancelled") and info["finished"] is not None
    status, info = await post(http, f"/api/jobs/{job}/reset")
    assert (status, info["state"], info["finished"]) == (200, "queued", None)


async def test_a_reset_job_waits_for_a_file_that_is_gone(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    job = await submit(http)
    await post(http, f"/api/jobs/{job}/cancel")
    digest = sha256(BLEND)
    (tmp_path / "coordinator" / "blobs" / digest[:2] / digest).unlink()
    _, info = await post(http, f"/api/jobs/{job}/reset")
    assert info["state"] == "waiting"
    await upload(http, BLEND)
    assert (await job_info(http, job)).state is JobState.QUEUED


async def test_pause_and_resume(http: aiohttp.ClientSession) -> None:
    job = await submit(http)
    assert (await post(http, f"/api/jobs/{job}/pause"))[1]["state"] == "paused"
    assert (await post(http, f"/api/jobs/{job}/resume"))[1]["state"] == "queued"


@pytest.mark.parametrize(
    ("before", "command", "says"),
    [
        ("cancel", "cancel", "cancelled already"),
        ("cancel", "pause", "cancelled"),
        ("pause", "pause", "paused"),
        ("", "resume", "not paused"),
        ("", "reset", "nothing to reset"),
    ],
)
async def test_what_the_state_does_not_allow_is_a_conflict(
    http: aiohttp.ClientSession, before: str, command: str, says: str
) -> None:
    job = await submit(http)
    if before:
        await post(http, f"/api/jobs/{job}/{before}")
    was = await job_info(http, job)
    status, error = await post(http, f"/api/jobs/{job}/{command}")
    assert (status, error["code"]) == (409, "conflict") and says in error["message"]
    assert await job_info(http, job) == was


@pytest.mark.parametrize("path", ["", "/manifest", "/frames", "/frames/1/result", "/frames/1/log"])
async def test_a_job_that_is_not_there(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(f"/api/jobs/{'0' * 16}{path}") as response:
        assert response.status == 404
        assert "no job 0000000000000000" in (await response.json())["message"]
    async with http.get(f"/api/jobs/nonsense{path}") as response:
        assert response.status == 400
        assert "'nonsense'" in (await response.json())["message"]


async def test_addresses_and_methods_that_are_not_there(http: aiohttp.ClientSession) -> None:
    job = await submit(http)
    assert await post(http, f"/api/jobs/{job}/explode") == (
        404,
        {"code": "not-found", "message": f"no /api/jobs/{job}/explode here; the addresses are in docs/protocol.md"},
    )
    async with http.delete("/api/jobs") as response:
        assert response.status == 405 and response.headers["Allow"] == "GET, HEAD, POST"
        assert (await response.json())["code"] == "bad-request"


async def test_no_slave_was_here(http: aiohttp.ClientSession) -> None:
    assert await get(http, "/api/slaves") == []


async def test_every_job_has_what_is_reported(http: aiohttp.ClientSession) -> None:
    job = await submit(http, manifest("1-3,7", name="Ünïcödé", priority=3))
    (info,) = codec.structure(await get(http, "/api/jobs"), list[JobInfo])
    assert (info.id, info.name, info.frames, info.priority) == (job, "Ünïcödé", "1-3,7", 3)
    assert (info.blender, info.started, info.finished, info.slaves) == ("", None, None, {})
