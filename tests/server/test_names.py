"""Names that come from outside are shown on terminals and in logs: they hold nothing that commands one."""

import io
import json
import sqlite3
from pathlib import Path

import aiohttp
import pytest
from attrs import evolve

from coordinator.protocol import codec, messages

from ..coordinators import RunningCoordinator, running_coordinator
from ..slaves import FakeSlave
from ..submissions import manifest, submit
from .test_hostile_archives import contents, packed

EVIL = ["\n", "a\n", "\x1b[2J", "\u202e", "a\x9b", "\u2028"]
HONEST = ["scene 1", "Gerüst", "雪\u3000山", "👩\u200d🎨"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("field", ["name", "host", "blender", "features"])
async def test_a_slave_whose_name_cannot_be_shown_is_told_so(
    coordinator: RunningCoordinator, field: str, name: str
) -> None:
    if (field, name.startswith("\n")) == ("blender", True):
        name = "\x1b"
    slave = FakeSlave(coordinator.url, "mallory")
    values = {"blender": f"4.5.1{name}", "features": (name,)}
    slave.hello = evolve(slave.hello, protocol=slave.hello.protocol)
    sent = json.loads(codec.dumps(slave.hello, messages.FromSlave)) | {field: values.get(field, name)}
    await slave.connect()
    await slave.socket.send_str(json.dumps(sent))
    answer = await slave.next()
    assert isinstance(answer, messages.Refused) and answer.code == "bad-request"
    assert field in answer.message and answer.message.isprintable()
    await slave.close()


@pytest.mark.parametrize("name", HONEST)
async def test_what_people_call_their_machines_and_scenes(coordinator: RunningCoordinator, name: str) -> None:
    slave = FakeSlave(coordinator.url, "anna")
    slave.hello = evolve(slave.hello, name=name, host=name)
    await slave.connect()
    await slave.send(slave.hello)
    assert isinstance(await slave.next(), messages.Welcome)
    await slave.close()
    async with aiohttp.ClientSession(coordinator.url) as http:
        await submit(http, manifest("1", name=name))


@pytest.mark.parametrize("name", EVIL)
async def test_a_job_whose_name_cannot_be_shown_is_refused(coordinator: RunningCoordinator, name: str) -> None:
    async with aiohttp.ClientSession(coordinator.url) as http:
        body = codec.dumps(manifest("1", name=name)).encode()
        async with http.post("/api/jobs", data=body) as response:
            answer = await response.json()
    assert (response.status, answer["code"]) == (400, "bad-request")
    assert answer["message"].startswith("name ") and answer["message"].isprintable()


async def test_an_archive_with_a_slaves_name_that_cannot_be_shown(
    coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession(coordinator.url) as http:
        job = await submit(http, manifest("1", chunk=1))
        async with FakeSlave(coordinator.url, "anna") as anna:
            await anna.render(await anna.work())
        with coordinator.client as client:
            client.archive(job, tmp_path / "job.tar")
        files = contents((tmp_path / "job.tar").read_bytes())
        files["job.json"] = files["job.json"].replace(b'"anna"', b'"an\\u001bna"')
        async with http.post("/api/archives", data=io.BytesIO(packed(files))) as response:
            answer = await response.json()
    assert (response.status, answer["code"]) == (400, "bad-request")
    assert "cannot be shown" in answer["message"] and answer["message"].isprintable()


async def test_names_that_were_taken_before_end_no_start(tmp_path: Path) -> None:
    with running_coordinator(tmp_path) as running:
        async with FakeSlave(running.url, "anna"), aiohttp.ClientSession(running.url) as http:
            await submit(http, manifest("1"))
    with sqlite3.connect(tmp_path / "netrender.sqlite") as db:
        db.execute("UPDATE slaves SET name = ?", ("an\x1bna",))
    db.close()
    with running_coordinator(tmp_path) as running, running.client as client:
        assert [slave.name for slave in client.slaves()] == ["an\x1bna"] and len(client.jobs()) == 1
