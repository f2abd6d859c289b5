"""The whole slave against a stand-in coordinator, with a renderer that fails on command."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from aiohttp import web

from coordinator.errors import BlenderNotFoundError, ConflictError
from coordinator.protocol import messages
from coordinator.slave import run

from .conftest import StartSlave
from .standin import PATIENCE, StandIn, error


def started(lease: int, frame: int) -> messages.Started:
    return messages.Started(lease=lease, frame=frame)


async def test_renders_a_chunk_in_its_order_and_delivers_it(standin: StandIn, slave: StartSlave) -> None:
    slave()
    job = standin.job("1-5")
    await standin.give(7, job, 3, 1, 2)
    await standin.has_results(job, 1, 2, 3)
    begun = [said for said in standin.said if isinstance(said, messages.Started)]
    assert begun == [started(7, 3), started(7, 1), started(7, 2)]
    assert messages.Progress(lease=7, frame=3, sample=1, samples=4) in standin.said
    assert standin.results[job.id, 2] == b"frame 2 of scene of film"
    assert standin.leases[job.id, 2] == 7
    assert standin.logs[job.id, 2] == "frame 2 line 0\n"
    hello = standin.hellos[0]
    assert (hello.name, hello.blender, hello.features, hello.holding) == ("anna", "4.5.1", ("denoiser",), ())


async def test_the_renderer_does_not_wait_for_the_network(standin: StandIn, slave: StartSlave) -> None:
    """The answer to frame n's upload is held back until frame n + 1 renders: a slave that waits for it hangs."""

    async def hold(frame: int) -> None:
        if frame < 4:
            await standin.has(started(1, frame + 1))

    standin.on_put = hold
    slave()
    job = standin.job("1-4")
    await standin.give(1, job, 1, 2, 3, 4)
    await standin.has_results(job, 1, 2, 3, 4)


async def test_the_next_chunks_files_come_while_this_one_renders(standin: StandIn, slave: StartSlave) -> None:
    slave("--hang-at", "1")
    first, second = standin.job("1", "first"), standin.job("1-2", "second", files={"tree": b"bark"})
    await standin.give(1, first, 1)
    await standin.has(started(1, 1))
    await standin.give(2, second, 2)
    await standin.until(lambda: {f"GET blob {blob}" for blob in second.blobs} <= set(standin.requests))
    assert standin.results == {}
    await standin.send(messages.Cancel(lease=1, reason="enough"))
    await standin.has_results(second, 2)


async def test_a_chunk_of_the_same_job_does_not_open_it_again(standin: StandIn, slave: StartSlave) -> None:
    slave()
    job, other = standin.job("1-4"), standin.job("1", "other")
    await standin.give(1, job, 1, 2)
    await standin.give(2, job, 3, 4)
    await standin.give(3, other, 1)
    await standin.has_results(job, 1, 2, 3, 4)
    await standin.has_results(other, 1)
    opened = {key: log for key, log in standin.logs.items() if "opened by" in log}
    assert opened.keys() == {(job.id, 1), (other.id, 1)}
    first, second = opened.values()
    assert first.splitlines()[0] != second.splitlines()[0], "another job gets a fresh renderer"


async def test_a_crash_fails_its_frame_and_the_rest_is_rendered(standin: StandIn, slave: StartSlave) -> None:
    slave("--crash-at", "2")
    job = standin.job("1-3")
    await standin.give(1, job, 1, 2, 3)
    await standin.has_results(job, 1, 3)
    await standin.until(lambda: bool(standin.failures))
    (failed,) = standin.failures
    assert failed.frame == 2
    assert "killed by SIGSEGV" in failed.message
    assert "about to crash\n" in standin.logs[job.id, 2]
    assert "opened by" in standin.logs[job.id, 3]


async def test_the_log_arrives_before_the_failure(standin: StandIn, slave: StartSlave) -> None:
    slave("--fail-at", "1", "--lines", "500")
    await standin.give(1, standin.job("1"), 1)
    await standin.until(lambda: bool(standin.failures))
    (log,) = standin.logs.values()
    assert log.splitlines()[-2:] == ["frame 1 line 499", "out of memory"]


async def test_nothing_that_it_says_tells_where_it_keeps_things(
    standin: StandIn, slave: StartSlave, tmp_path: Path
) -> None:
    slave("--fail-at", "2", "--crash-at", "3", "--tell-paths")
    job = standin.job("1-3")
    await standin.give(1, job, 1, 2, 3)
    await standin.until(lambda: len(standin.failures) == 2)
    assert standin.logs[job.id, 1].splitlines()[-1] == "a.blend goes to 1.exr"
    assert standin.logs[job.id, 2].splitlines()[-2:] == ["a.blend goes to 2.exr", "out of memory: cannot write 2.exr"]
    failed, crashed = (failure.message for failure in standin.failures)
    assert failed == "out of memory: cannot write 2.exr"
    assert "a.blend goes to 3.exr" in crashed  # the last lines of the log
    said = [*standin.logs.values(), *(failure.message for failure in standin.failures)]
    assert not [text for text in said if str(tmp_path / "slave") in text]


async def test_partial_logs_arrive_while_a_frame_renders(standin: StandIn, slave: StartSlave) -> None:
    slave("--hang-at", "1")
    job = standin.job("1")
    await standin.give(1, job, 1)
    await standin.until(lambda: "frame 1 line 0" in standin.logs.get((job.id, 1), ""))
    assert standin.results == {}


async def test_garbage_fails_the_frame_and_the_slave_goes_on(standin: StandIn, slave: StartSlave) -> None:
    slave("--garbage-at", "1")
    job = standin.job("1-2")
    await standin.give(1, job, 1, 2)
    await standin.has_results(job, 2)
    await standin.until(lambda: bool(standin.failures))
    assert "no answer" in standin.failures[0].message


@pytest.mark.parametrize("what", ["link", "pipe"])
async def test_a_result_that_is_no_file_fails_the_frame_and_is_not_read(
    standin: StandIn, slave: StartSlave, tmp_path: Path, what: str
) -> None:
    """The slave would follow the link with its own rights, or wait at the pipe for ever."""
    secret = tmp_path / "secret"
    secret.write_text("nobody's business")
    slave(*(["--link-to", str(secret)] if what == "link" else ["--pipe"]))
    job = standin.job("1")
    await standin.give(1, job, 1)
    await standin.until(lambda: bool(standin.failures))
    assert "no file that a frame can be" in standin.failures[0].message
    assert standin.results == {} and secret.read_text() == "nobody's business"


async def test_a_scene_that_does_not_open_fails_each_frame(standin: StandIn, slave: StartSlave) -> None:
    slave("--refuse")
    job = standin.job("1-3")
    for lease in (1, 2):  # the second finds a fresh renderer, and fails with the same words
        await standin.give(lease, job, 1, 2, 3)
        await standin.until(lambda lease=lease: len(standin.failures) == 3 * lease)  # type: ignore[misc]
    assert {failed.message for failed in standin.failures} == {"there is no scene 'Scene'"}


async def test_files_that_cannot_be_had_fail_each_frame(standin: StandIn, slave: StartSlave) -> None:
    slave()
    job, good = standin.job("1-2", files={"lost": b"lost"}), standin.job("1", "good")
    missing = next(file.sha256 for file in job.files if file.path == "lost")
    del standin.blobs[missing]
    await standin.give(1, job, 1, 2)
    await standin.give(2, good, 1)
    await standin.has_results(good, 1)
    await standin.until(lambda: len(standin.failures) == 2)
    assert {failed.frame for failed in standin.failures} == {1, 2}
    assert all(missing in failed.message for failed in standin.failures)


async def test_a_cancel_kills_the_frame_and_the_next_lease_renders(standin: StandIn, slave: StartSlave) -> None:
    slave("--hang-at", "1")
    job = standin.job("1-9")
    await standin.give(1, job, 1, 2, 3)
    await standin.give(2, job, 4)
    await standin.give(3, job, 5)
    await standin.has(started(1, 1))
    await standin.send(messages.Cancel(lease=2, reason="it is not wanted"))
    await standin.send(messages.Cancel(lease=1, reason="it is not wanted"))
    await standin.has_results(job, 5)
    assert standin.results.keys() == {(job.id, 5)}
    assert standin.failures == []


async def test_work_goes_on_while_the_coordinator_is_away(standin: StandIn, slave: StartSlave, tmp_path: Path) -> None:
    """What it has is rendered, the coordinator is told what the slave holds, and nothing is rendered twice."""
    trace = tmp_path / "trace"
    held = asyncio.Event()

    async def hold(frame: int) -> None:
        held.set()
        await asyncio.Event().wait()

    standin.on_put = hold
    slave(trace=trace)
    job = standin.job("1-3")
    await standin.give(4, job, 1, 2, 3)
    async with asyncio.timeout(PATIENCE):
        await held.wait()
    await standin.stop()
    standin.on_put = standin._nothing
    await standin.start()
    await standin.has_results(job, 1, 2, 3)
    assert standin.hellos[-1].holding == (messages.Held(lease=4, frames=(1, 2, 3)),)
    assert len([line for line in trace.read_text().splitlines() if json.loads(line)["span"] == "render"]) == 3


async def test_a_failure_is_told_again_to_a_coordinator_that_was_away(standin: StandIn, slave: StartSlave) -> None:
    slave("--fail-at", "1", "--hang-at", "2")
    job = standin.job("1-2")
    await standin.give(4, job, 1, 2)
    await standin.has(started(4, 2))
    await standin.until(lambda: len(standin.failures) == 1)
    await standin.drop_connections()
    await standin.until(lambda: len(standin.failures) == 2)
    await standin.until(lambda: standin.said.count(started(4, 2)) == 2)


async def test_a_lease_that_is_revoked_after_a_welcome_is_dropped(standin: StandIn, slave: StartSlave) -> None:
    slave("--hang-at", "1")
    job = standin.job("1-9")
    await standin.give(4, job, 1, 2)
    await standin.has(started(4, 1))
    standin.revoked[4] = "you were away too long"
    await standin.drop_connections()
    await standin.until(lambda: len(standin.hellos) == 2)
    await standin.give(5, job, 3)
    await standin.has_results(job, 3)
    await standin.drop_connections()
    await standin.until(lambda: len(standin.hellos) == 3)
    assert standin.hellos[2].holding == ()


async def test_results_survive_a_restart_of_the_slave(standin: StandIn, slave: StartSlave) -> None:
    """Then the rest of their lease is given back, by a hello that does not name its frames."""
    waiting = {1, 2}

    async def unavailable(frame: int) -> web.Response | None:
        return error(503, "unreachable", "not now") if waiting else None

    standin.on_put = unavailable
    first = slave("--hang-at", "3")
    job = standin.job("1-3")
    await standin.give(4, job, 1, 2, 3)
    await standin.has(started(4, 3))
    await standin.until(lambda: {"PUT 1", "PUT 2"} <= set(standin.requests))
    await standin.stop()  # so that the slave does not wait until its results are taken
    await first.stop()
    waiting.clear()
    await standin.start()
    slave()
    await standin.has_results(job, 1, 2)
    assert [hello.holding for hello in standin.hellos] == [(), (messages.Held(lease=4, frames=(1, 2)),)]
    assert len({hello.slave for hello in standin.hellos}) == 1


async def test_a_stop_delivers_what_is_rendered_and_says_goodbye(standin: StandIn, slave: StartSlave) -> None:
    running = slave("--hang-at", "2")
    job = standin.job("1-3")
    await standin.give(1, job, 1, 2, 3)
    await standin.has(started(1, 2))
    await running.stop()
    await standin.until(lambda: any(isinstance(said, messages.Goodbye) for said in standin.said))
    assert standin.results.keys() == {(job.id, 1)}
    assert standin.failures == []


async def test_the_token_is_on_every_request(standin: StandIn, slave: StartSlave) -> None:
    slave(token="secret")
    await standin.until(lambda: bool(standin.hellos))
    assert standin.headers[0]["Authorization"] == "Bearer secret"
    assert standin.headers[0]["Netrender-Slave"] == standin.hellos[0].slave


async def test_no_blender_ends_it(standin: StandIn, slave: StartSlave) -> None:
    running = slave("--version", "3.6.0")
    with pytest.raises(BlenderNotFoundError, match=r"3\.6\.0"):
        await running.task


async def test_a_data_folder_has_one_slave(standin: StandIn, slave: StartSlave, tmp_path: Path) -> None:
    running = slave()
    await standin.until(lambda: bool(standin.hellos))
    with pytest.raises(ConflictError, match="another slave uses the folder"):
        await run(running.options)


async def test_the_trace_has_every_span(standin: StandIn, slave: StartSlave, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    running = slave(trace=trace)
    job = standin.job("1-2")
    await standin.give(1, job, 1, 2)
    await standin.has_results(job, 1, 2)
    await running.stop()
    spans = [json.loads(line) for line in trace.read_text().splitlines()]
    assert sorted((span["span"], span["frame"] or 0) for span in spans) == [
        ("fetch", 0), ("open", 0), ("render", 1), ("render", 2), ("upload", 1), ("upload", 2),
    ]  # fmt: skip
    assert all(span["job"] == job.id and span["start"] <= span["end"] for span in spans)


async def test_a_job_with_the_scene_that_is_open_begins_without_opening_it(
    standin: StandIn, slave: StartSlave, tmp_path: Path
) -> None:
    trace = tmp_path / "trace.jsonl"
    running = slave(trace=trace)
    first, again = standin.job("1"), standin.job("1-2", again=1)
    assert first.scene == again.scene
    other = standin.job("1", "another film")
    for lease, job in enumerate((first, again, other), start=1):
        await standin.send(messages.Work(lease=lease, job=job.id, frames=(1,), scene=job.scene))
        await standin.has_results(job, 1)
    await running.stop()
    spans = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [span["job"] for span in spans if span["span"] == "open"] == [first.id, other.id]


# --- what the scheduler takes back, and renderers that hang -----------------------------------------------------------


async def test_some_frames_of_a_lease_are_taken_back_and_the_others_render(standin: StandIn, slave: StartSlave) -> None:
    """The one that renders, and one that was not begun."""
    slave("--hang-at", "1")
    job = standin.job("1-9")
    await standin.give(1, job, 1, 2, 3, 4)
    await standin.has(started(1, 1))
    await standin.send(messages.Cancel(lease=1, frames=(1, 3), reason="another slave is sooner"))
    await standin.has_results(job, 2, 4)
    await standin.give(2, job, 5)
    await standin.has_results(job, 5)
    assert standin.results.keys() == {(job.id, frame) for frame in (2, 4, 5)}
    assert standin.failures == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the fake renderer waits at a FIFO")
async def test_frames_are_taken_back_while_the_scene_is_opened(
    standin: StandIn, slave: StartSlave, tmp_path: Path
) -> None:
    gate = tmp_path / "scene of film"
    os.mkfifo(gate)
    slave("--gates", str(tmp_path))
    film = standin.job("1-9")
    for lease, frames, revoked in (1, (1, 2), (1, 2)), (2, (3, 4), (3,)):
        await standin.give(lease, film, *frames)
        held = await asyncio.to_thread(gate.open, "w")  # when the renderer has opened it, too
        await standin.send(messages.Cancel(lease=lease, frames=revoked, reason="another slave was first"))
        next_job = standin.job("1", f"after lease {lease}")
        await standin.give(10 + lease, next_job, 1)
        asked = f"GET manifest {next_job.id}"
        await standin.until(lambda asked=asked: asked in standin.requests)  # type: ignore[misc]  # so it has read both
        held.close()
        await standin.has_results(next_job, 1)
    assert {(job, frame) for job, frame in standin.results if job == film.id} == {(film.id, 4)}


async def test_messages_that_come_as_an_array_are_taken_in_their_order(standin: StandIn, slave: StartSlave) -> None:
    slave()
    job = standin.job("1-9")
    await standin.until(lambda: bool(standin.hellos))
    work = [messages.Work(lease=lease, job=job.id, frames=(lease,)) for lease in (1, 2, 3)]
    await standin.send_each([*work, messages.Cancel(lease=2, reason="it is not wanted")])
    await standin.has_results(job, 1, 3)
    assert standin.results.keys() == {(job.id, 1), (job.id, 3)}


async def test_a_renderer_that_is_silent_for_too_long_is_ended(standin: StandIn, slave: StartSlave) -> None:
    slave("--hang-at", "1")
    job = standin.job("1-2")
    await standin.send(messages.Work(lease=1, job=job.id, frames=(1,), stall=0.5))
    await standin.send(messages.Work(lease=2, job=job.id, frames=(2,)))
    await standin.has_results(job, 2)
    [failed] = standin.failures
    assert failed.frame == 1 and "no progress for 0.5 s" in failed.message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process took")
async def test_a_renderer_that_takes_too_much_memory_is_ended(standin: StandIn, slave: StartSlave) -> None:
    slave()
    job = standin.job("1", memory=1)
    await standin.give(1, job, 1)
    await standin.until(lambda: bool(standin.failures))
    assert standin.failures[0].frame == 1 and "of memory, and the job allows" in standin.failures[0].message


async def test_a_job_that_discards_its_results_is_done_without(standin: StandIn, slave: StartSlave) -> None:
    slave()
    job = standin.job("1-2", discard=True)
    await standin.give(1, job, 1, 2)
    await standin.until(lambda: sum(isinstance(said, messages.Done) for said in standin.said) == 2)
    assert {said.frame for said in standin.said if isinstance(said, messages.Done)} == {1, 2}
    assert standin.results == {}


async def test_tags_and_memory_are_in_the_hello(standin: StandIn, slave: StartSlave) -> None:
    slave(tags=("big", "linux"))
    await standin.until(lambda: bool(standin.hellos))
    assert standin.hellos[0].tags == ("big", "linux") and standin.hellos[0].memory > 2**20
