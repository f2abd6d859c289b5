"""One renderer child: started, told what to do, watched and ended. For the slave, and for a client that inspects.

The other end is ``blender_addon/renderer``; docs/protocol.md, "Agent and renderer", is what they say to each other.
"""

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from attrs import frozen

from . import errors
from .constants import OLDEST_BLENDER, RENDERER_LINE, RENDERER_START, RENDERER_TAIL, STOP_GRACE, TRANSFER_BLOCK
from .protocol import codec
from .protocol.jobs import RenderSettings

_REPLY = b"netrender:"
_REMEDY = 'install one with: pip install "netrender[blender]", or name a Blender with --blender PATH'

T = TypeVar("T")
OnLog = Callable[[str], None]  # one line of what Blender prints, without its end
OnProgress = Callable[[int, int, int], None]  # frame, sample, samples


@frozen(kw_only=True)
class Ready:
    """What the renderer is, once it can take commands."""

    blender: str  # "4.5.15"
    engines: tuple[str, ...]
    features: tuple[str, ...]
    pid: int


@frozen(kw_only=True)
class ExternalFile:
    """A file that a .blend refers to."""

    kind: str  # "image", "library", ...
    name: str  # of the datablock
    stored: str  # the path as the .blend has it
    path: str  # absolute


@frozen(kw_only=True)
class Inspection:
    """What a client must know of a .blend before it sends it."""

    blender: str  # "4.5": the version that saved it
    scene: str  # the scene that will be rendered
    scenes: tuple[str, ...]
    engine: str  # that will render it
    engines: tuple[str, ...]  # that this Blender has
    view_layers: tuple[str, ...]
    camera: bool
    frames: tuple[int, ...]  # first, last, step
    features: tuple[str, ...]  # that a slave must have
    files: tuple[ExternalFile, ...]
    missing: tuple[ExternalFile, ...]


def script() -> Path:
    """The renderer's file: beside this package in a checkout or installation, or above it inside the extension."""
    root = Path(__file__).resolve().parent.parent
    inside_extension = root / "renderer" / "__main__.py"
    return inside_extension if inside_extension.is_file() else root / "blender_addon" / "renderer" / "__main__.py"


def command(blender: str | None) -> list[str]:
    """The command line that starts a renderer.

    ``blender`` is a Blender's executable, or a Python (named ``python...``) that can import bpy; None is this Python.
    Raises BlenderNotFoundError if there is no such thing.
    """
    if blender is None:
        if importlib.util.find_spec("bpy") is None:
            raise errors.BlenderNotFoundError(f"no Blender: {sys.executable} has no module bpy; {_REMEDY}")
        return [sys.executable, str(script())]
    program = shutil.which(Path(blender).expanduser())
    if program is None:
        why = "is not an executable program" if Path(blender).exists() else "does not exist"
        raise errors.BlenderNotFoundError(f"no Blender: {blender!r} {why}; {_REMEDY}")
    if Path(program).name.lower().startswith("python"):
        return [program, str(script())]
    return [program, "-b", "--disable-autoexec", "-P", str(script())]


class Renderer:
    """A running renderer. It takes one command at a time.

    Cancelling a call that waits for an answer kills the renderer: in the bpy package nothing stops a render politely.
    """

    ready: Ready

    def __init__(
        self, process: asyncio.subprocess.Process, program: str, temp: Path, on_log: OnLog, on_progress: OnProgress
    ) -> None:
        self._process = process
        self._program = program
        self._temp = temp
        self._on_log = on_log
        self._on_progress = on_progress
        self._tail: deque[str] = deque(maxlen=RENDERER_TAIL)
        self._broken = ""  # why we ended it ourselves, where its own exit code would not tell
        self._pending: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._watcher = asyncio.create_task(self._watch(), name=f"renderer {process.pid}")

    @classmethod
    async def start(
        cls,
        command: Iterable[str],
        *,
        temp: Path | None = None,
        on_log: OnLog = lambda line: None,
        on_progress: OnProgress = lambda frame, sample, samples: None,
    ) -> "Renderer":
        """Start it and wait until it is ready.

        Its temporary files go into a folder of its own inside ``temp``, removed when it has ended: Blender leaves its
        own behind when killed. Raises BlenderNotFoundError if what was started is no Blender that can render.
        """
        command = list(command)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="netrender-renderer-", dir=temp))
        places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                limit=RENDERER_LINE,
                # Unbuffered, so that log lines arrive while the frame renders.
                env={**os.environ, **places, "PYTHONUNBUFFERED": "1"},
                **_own_group(),
            )
        except OSError as error:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise errors.BlenderNotFoundError(
                f"no Blender: {command[0]!r} does not start ({error}); {_REMEDY}"
            ) from error
        renderer = cls(process, command[0], folder, on_log, on_progress)
        try:
            async with asyncio.timeout(RENDERER_START):
                renderer.ready = renderer._structure(await renderer._answer("ready"), Ready)
            renderer._check_version()
        except BaseException as error:
            renderer.kill()
            await renderer.ended()
            if isinstance(error, TimeoutError):
                raise errors.RendererError(
                    f"{command[0]} was not ready after {RENDERER_START:g} s{renderer._said()}"
                ) from error
            if isinstance(error, errors.RendererError) and process.returncode is not None:
                renderer._explain_start(error)
            raise
        return renderer

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._watcher.done() and not self._broken

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> None:
        """Wait until it, all of its children and its temporary files are gone."""
        await asyncio.shield(self._watcher)

    async def open(
        self, blend: Path, settings: RenderSettings, *, threads: int = 0, mapped: Mapping[str, str] | None = None
    ) -> float:
        """Open a .blend for rendering; returns the seconds it took. Raises BadSceneError or RendererError."""
        reply = await self._ask("opened", **_open_command(blend, settings, threads, mapped or {}))
        return float(reply["seconds"])

    async def render(self, frame: int, output: Path) -> float:
        """Render one frame of the open scene; returns the seconds it took."""
        reply = await self._ask("rendered", do="render", frame=frame, output=str(output))
        return float(reply["seconds"])

    async def inspect(
        self, blend: Path, *, scene: str | None = None, engine: str | None = None, view_layers: Iterable[str] = ()
    ) -> Inspection:
        """Look into a .blend. Raises BadSceneError if it cannot be rendered as asked."""
        layers = list(view_layers)
        reply = await self._ask(
            "inspected", do="inspect", blend=str(blend), scene=scene, engine=engine, view_layers=layers
        )
        return self._structure(reply, Inspection)

    def kill(self) -> None:
        """End it at once, with everything that it started. ``ended`` waits for that."""
        self._broken = self._broken or "it was told to end"
        self._signal_group("SIGKILL")

    async def stop(self) -> None:
        """Ask it to end; terminate and then kill it if it does not."""
        self._broken = self._broken or "it was told to end"
        with contextlib.suppress(ConnectionError, RuntimeError):
            assert self._process.stdin is not None
            self._process.stdin.write(b'{"do":"quit"}\n')
            self._process.stdin.close()  # an end of input ends it even in the middle of a frame
        for name in ("SIGTERM", "SIGKILL"):
            await asyncio.wait({self._watcher}, timeout=STOP_GRACE)
            if self._watcher.done():
                return
            self._signal_group(name)
        await self.ended()

    # --- commands and answers ---

    async def _ask(self, expected: str, **fields: Any) -> dict[str, Any]:
        if self._watcher.done() or self._broken:
            raise self._death()
        self._pending = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(fields).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # it died: the watcher says so, and why
            await self._process.stdin.drain()
        return await self._answer(expected)

    async def _answer(self, expected: str) -> dict[str, Any]:
        try:
            reply = await self._pending
        except asyncio.CancelledError:
            self.kill()
            raise
        kind = reply.get("type")
        if kind == "error":
            raise errors.from_code(str(reply.get("code")), str(reply.get("message")))
        if kind != expected:
            self._break(f"it answered {kind!r} where {expected!r} was expected")
        return reply

    def _structure(self, reply: dict[str, Any], cls: type[T]) -> T:
        try:
            return codec.structure({key: value for key, value in reply.items() if key != "type"}, cls)
        except errors.BadRequestError as error:
            self._break(f"it answered a {reply['type']!r} that is wrong: {error.message}")

    def _break(self, why: str) -> NoReturn:
        """End a renderer that does not speak the protocol."""
        self._broken = why
        self._signal_group("SIGKILL")
        raise self._death()

    def _check_version(self) -> None:
        found = re.match(r"(\d+)\.(\d+)", self.ready.blender)
        if found is None or (int(found[1]), int(found[2])) < OLDEST_BLENDER:
            oldest = ".".join(map(str, OLDEST_BLENDER))
            raise errors.BlenderNotFoundError(
                f"{self._program} is Blender {self.ready.blender}; Netrender needs {oldest} or later: {_REMEDY}"
            )

    def _explain_start(self, error: errors.RendererError) -> None:
        """Raise what a user can act on, if the program ended by itself before it was ready."""
        code = self._process.returncode
        if any("No module named 'bpy'" in line for line in self._tail):
            raise errors.BlenderNotFoundError(f"no Blender: {self._program} has no module bpy; {_REMEDY}") from error
        if code is not None and code >= 0:
            raise errors.BlenderNotFoundError(f"{error.message}; is it a Blender? If not, {_REMEDY}") from error

    # --- the child and its pipes ---

    async def _watch(self) -> None:
        """Read both pipes until it has ended, then tell whoever waits for an answer."""
        replies = asyncio.create_task(self._read_replies())
        logs = asyncio.create_task(self._read_log())
        exited = asyncio.create_task(self._process.wait())
        await asyncio.wait({replies, exited}, return_when=asyncio.FIRST_COMPLETED)
        # The replies ended a moment before the process: wait for its own exit code, but not for ever.
        await asyncio.wait({exited}, timeout=STOP_GRACE)
        self._signal_group("SIGKILL")  # what it started holds the pipes, and must not outlive it
        await asyncio.gather(replies, logs, exited)
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.to_thread(shutil.rmtree, self._temp, ignore_errors=True)
        if not self._pending.done():
            self._pending.set_exception(self._death())
            self._pending.exception()  # nobody may be waiting

    async def _read_replies(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # longer than the stream's limit
                self._garbled(f"it sent a line longer than {RENDERER_LINE} bytes")
                return
            if not line:
                return
            if not line.startswith(_REPLY):
                self._log(line)
                continue
            try:
                reply = json.loads(line.removeprefix(_REPLY))
                if reply["type"] == "progress":
                    self._on_progress(reply["frame"], reply["sample"], reply["samples"])
                elif self._pending.done():
                    self._garbled(f"it sent {reply['type']!r} without being asked")
                else:
                    self._pending.set_result(reply)
            except (ValueError, KeyError, TypeError):
                self._garbled(f"it sent a line that is no answer: {line[:80]!r}")

    def _garbled(self, why: str) -> None:
        self._broken = self._broken or why
        self._signal_group("SIGKILL")

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        async for line in _lines(self._process.stderr):
            self._log(line)

    def _log(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            self._tail.append(text)
        self._on_log(text)

    def _death(self) -> errors.RendererError:
        code = self._process.returncode
        if self._broken or code is None:
            how = f"had to be ended: {self._broken}" if self._broken else "ended"
        elif code < 0:
            how = f"was killed by {_signal_name(-code)}"
        else:
            how = f"ended with exit code {code}"
        return errors.RendererError(f"the renderer ({self._program}) {how}{self._said()}")

    def _said(self) -> str:
        return "; its last lines:\n" + "\n".join(self._tail) if self._tail else "; it printed nothing"

    def _signal_group(self, name: str) -> None:
        if self._watcher.done():  # its number may be another process's by now
            return
        # Windows has neither groups nor signals; macOS refuses to signal a group of which only zombies are left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.Signals[name])


def _own_group() -> dict[str, Any]:
    """Ctrl-C in the terminal is for the agent, which ends its renderer in good order."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _open_command(blend: Path, settings: RenderSettings, threads: int, mapped: Mapping[str, str]) -> dict[str, Any]:
    return {
        "do": "open",
        "blend": str(blend),
        "scene": settings.scene,
        "engine": settings.engine,
        "view_layers": list(settings.view_layers),
        "samples": settings.samples,
        "percentage": settings.percentage,
        "threads": threads,
        "mapped": dict(mapped),
    }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length, ended by a line feed or by the carriage return of a progress display."""
    rest = b""
    while block := await stream.read(TRANSFER_BLOCK):
        *whole, rest = re.split(rb"\r\n|[\r\n]", rest + block)
        for line in whole:
            yield line
        if len(rest) > TRANSFER_BLOCK:
            yield rest
            rest = b""
    if rest:
        yield rest


async def inspect(
    command: Iterable[str],
    blend: Path,
    *,
    scene: str | None = None,
    engine: str | None = None,
    view_layers: Iterable[str] = (),
    on_log: OnLog = lambda line: None,
) -> Inspection:
    """Start a renderer only to look into a .blend."""
    renderer = await Renderer.start(command, on_log=on_log)
    try:
        return await renderer.inspect(blend, scene=scene, engine=engine, view_layers=view_layers)
    finally:
        await renderer.stop()
