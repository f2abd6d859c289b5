"""The control of a renderer's process, with a real one and with fakes that fail on command."""

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from coordinator import renderer
from coordinator.constants import RENDERER_LINE
from coordinator.errors import BadSceneError, BlenderNotFoundError, RendererError
from coordinator.protocol.jobs import RenderSettings

from .fakes.blenders import fake_blender, program

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
SETTINGS = RenderSettings(scene="Scene", engine="CYCLES")


class Started:
    """Starts renderers, and ends those that a test leaves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temp = folder / "temp"
        self.temp.mkdir()
        self.blend = folder / "a.blend"
        self.blend.write_text("a scene")
        self.log: list[str] = []
        self.progress: list[tuple[int, int, int]] = []
        self.progressed = asyncio.Event()
        self.all: list[renderer.Renderer] = []

    def on_progress(self, frame: int, sample: int, samples: int) -> None:
        self.progress.append((frame, sample, samples))
        self.progressed.set()

    async def __call__(self, blender: str | None, longest: int = RENDERER_LINE) -> renderer.Renderer:
        started = await renderer.Renderer.start(
            renderer.command(blender),
            temp=self.temp,
            on_log=self.log.append,
            on_progress=self.on_progress,
            longest=longest,
        )
        self.all.append(started)
        return started

    async def fake(self, *options: str, wrapped: bool = False, longest: int = RENDERER_LINE) -> renderer.Renderer:
        return await self(fake_blender(self.folder, *options, wrapped=wrapped), longest)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Started]:
    started = Started(tmp_path)
    yield started
    for one in started.all:
        one.kill()
        await one.ended()


async def test_renders_and_reports(start: Started, tmp_path: Path) -> None:
    fake = await start.fake("--lines", "3")
    assert (fake.ready.blender, fake.ready.features, fake.alive) == ("4.5.1", ("denoiser",), True)
    assert await fake.open(start.blend, SETTINGS) == 0.1
    assert await fake.render(7, tmp_path / "7.exr") == 0.5
    await fake.stop()
    assert (tmp_path / "7.exr").read_text() == "frame 7 of a scene"
    assert start.progress == [(7, 1, 4)]
    assert start.log[0] == "A banner, as Blender prints it"
    assert start.log[-3:] == ["frame 7 line 0", "frame 7 line 1", "frame 7 line 2"]


async def test_an_error_answer_is_raised_as_its_class_and_the_renderer_goes_on(start: Started) -> None:
    fake = await start.fake("--refuse")
    with pytest.raises(BadSceneError, match="no scene 'Scene'"):
        await fake.open(start.blend, SETTINGS)
    assert fake.alive


async def test_a_crash_is_told_with_its_signal_and_the_last_lines(start: Started, tmp_path: Path) -> None:
    fake = await start.fake("--crash-at", "2")
    await fake.open(start.blend, SETTINGS)
    await fake.render(1, tmp_path / "1.exr")
    with pytest.raises(RendererError, match=r"(?s)killed by SIGSEGV.*frame 2 line 0\nabout to crash"):
        await fake.render(2, tmp_path / "2.exr")
    assert not fake.alive
    with pytest.raises(RendererError, match="killed by SIGSEGV"):
        await fake.render(3, tmp_path / "3.exr")


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_one_that_died_a_moment_ago_is_told_as_dead(tmp_path: Path, loop: LoopFactory) -> None:
    """Its pipe is known to be closed, its end is not known yet."""

    async def ask() -> None:
        one = await renderer.Renderer.start(renderer.command(fake_blender(tmp_path)), temp=tmp_path)
        stdin = one._child.process.stdin
        assert stdin is not None
        stdin.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(RendererError, match="ended with exit code 0"):
            await one.open(tmp_path / "a.blend", SETTINGS)
        await one.ended()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(ask())


async def test_garbage_ends_it(start: Started, tmp_path: Path) -> None:
    fake = await start.fake("--garbage-at", "1")
    await fake.open(start.blend, SETTINGS)
    with pytest.raises(RendererError, match="had to be ended: it sent a line that is no answer"):
        await fake.render(1, tmp_path / "1.exr")
    await fake.ended()


@pytest.mark.parametrize("seconds", ["inf", "nan", "-1", "1e10"])
async def test_a_time_that_is_none_ends_it(start: Started, tmp_path: Path, seconds: str) -> None:
    fake = await start.fake(f"--seconds={seconds}")
    await fake.open(start.blend, SETTINGS)
    with pytest.raises(RendererError, match=f"a 'rendered' that is wrong: {float(seconds)} seconds"):
        await fake.render(1, tmp_path / "1.exr")
    await fake.ended()


@pytest.mark.parametrize("sample", ["1.5", "true", "-1", "1e999", '"1"', str(2**70), "null"])
async def test_progress_that_is_none_ends_it(start: Started, tmp_path: Path, sample: str) -> None:
    """It was sent on, and the coordinator threw out the slave that said it."""
    reply = f'{{"type":"progress","frame":1,"sample":{sample},"samples":3}}'
    fake = await start.fake("--reply", reply)
    await fake.open(start.blend, SETTINGS)
    with pytest.raises(RendererError, match="no answer"):
        await fake.render(1, tmp_path / "1.exr")
    assert not start.progress


async def test_a_reply_without_an_end_ends_it(start: Started, tmp_path: Path) -> None:
    fake = await start.fake("--long-at", "1", longest=2**20)
    await fake.open(start.blend, SETTINGS)
    with pytest.raises(RendererError, match="too long to be an answer"):
        await fake.render(1, tmp_path / "1.exr")


async def test_what_it_left_running_keeps_nobody_waiting(
    start: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of another group, which a script started, holds the renderer's pipes."""
    monkeypatch.setattr(sys.modules["coordinator.renderer.child"], "STOP_GRACE", 0.2)
    fake = await start.fake("--leave", str(tmp_path / "left"))
    await fake.open(start.blend, SETTINGS)
    await fake.render(1, tmp_path / "1.exr")
    fake.kill()
    try:
        await fake.ended()
        assert not fake.alive
    finally:
        os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)


async def test_cancelling_a_render_kills_it(start: Started, tmp_path: Path) -> None:
    fake = await start.fake("--hang-at", "1")
    await fake.open(start.blend, SETTINGS)
    render = asyncio.create_task(fake.render(1, tmp_path / "1.exr"))
    await start.progressed.wait()
    render.cancel()
    with pytest.raises(asyncio.CancelledError):
        await render
    assert not fake.alive
    await fake.ended()


def is_free(lock: Path) -> bool:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


async def test_a_kill_ends_the_renderer_behind_a_wrapper_too(start: Started, tmp_path: Path) -> None:
    lock = tmp_path / "alive"
    fake = await start.fake("--alive", str(lock), "--stubborn", wrapped=True)
    assert fake.ready.pid != fake.pid
    assert not is_free(lock)
    fake.kill()
    await fake.ended()
    assert is_free(lock)


async def test_one_that_does_not_end_is_killed(start: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.renderer.child.STOP_GRACE", 0.05)
    lock = tmp_path / "alive"
    fake = await start.fake("--stubborn", "--alive", str(lock))
    await fake.stop()
    assert is_free(lock)


async def test_its_temporary_files_go_with_it(start: Started) -> None:
    fake = await start.fake()
    (folder,) = start.temp.iterdir()
    (folder / "blender_left").mkdir()
    fake.kill()
    await fake.ended()
    assert list(start.temp.iterdir()) == []


async def test_one_that_is_never_ready(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.renderer.renderer.RENDERER_START", 0.05)
    with pytest.raises(RendererError, match="was not ready after"):
        await start.fake("--never-ready")
    assert list(start.temp.iterdir()) == []


async def test_an_old_blender_is_refused(start: Started) -> None:
    with pytest.raises(BlenderNotFoundError, match=r"is Blender 4\.1\.9, but 4\.2 or later is needed"):
        await start.fake("--version", "4.1.9")


async def test_a_program_that_is_no_blender(start: Started, tmp_path: Path) -> None:
    with pytest.raises(BlenderNotFoundError, match="does not work as a Blender"):
        await start(program(tmp_path / "editor", "echo hello"))


async def test_a_python_without_bpy(start: Started, tmp_path: Path) -> None:
    python = program(tmp_path / "python3", f'exec {sys.executable} -S -c "import bpy"')
    with pytest.raises(BlenderNotFoundError, match=r"has no module bpy; install one with: pip install"):
        await start(python)


def test_a_blender_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BlenderNotFoundError, match=r"nowhere' does not exist; .*--blender PATH"):
        renderer.command(str(tmp_path / "nowhere"))
    (tmp_path / "text").write_text("")
    with pytest.raises(BlenderNotFoundError, match="is not an executable program"):
        renderer.command(str(tmp_path / "text"))


def test_a_blender_gets_its_scripts_disabled(tmp_path: Path) -> None:
    blender = fake_blender(tmp_path)
    command = renderer.command(blender)
    assert command[:6] == [blender, "-b", "--disable-autoexec", "-t", "0", "-P"]
    assert Path(command[6]).is_file()
    assert renderer.command(sys.executable, threads=2) == [sys.executable, command[6], "--threads", "2"]


@pytest.mark.blender
async def test_the_real_one_starts_and_stops(start: Started) -> None:
    real = await start(None)
    assert "CYCLES" in real.ready.engines
    await real.stop()
    assert not real.alive
    assert list(start.temp.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(real.pid, 0)


async def test_it_is_not_told_the_farms_key(start: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRENDER_COORDINATOR", "netrender://10.0.0.1:8470/#the-key")
    monkeypatch.setenv("NETRENDER_KEY", "the-key")
    monkeypatch.setenv("OTHER_THINGS", "are passed on")
    with pytest.raises(BlenderNotFoundError) as caught:
        await start(program(tmp_path / "blender", "env | grep -e OTHER -e NETRENDER -e the-key >&2; exit 1"))
    assert "OTHER_THINGS=are passed on" in caught.value.message
    assert "the-key" not in caught.value.message
