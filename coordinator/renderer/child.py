"""A renderer's process: its pipes, its group, its end. One JSON line goes in, one comes back."""

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .. import errors
from ..constants import RENDERER_LINE, RENDERER_TAIL, STOP_GRACE, TRANSFER_BLOCK
from ..protocol import codec
from . import memory
from .commands import REMEDY
from .replies import Progress

logger = logging.getLogger(__name__)

_OURS = re.compile(
    r"^NETRENDER_|SECRET|TOKEN|PASSW|CREDENTIAL|_KEY$|_KEY_|APIKEY|^AWS_|^SSH_|^GPG_|^GNUPG|^DBUS_", re.I
)
_REPLY = b"netrender:"

OnLog = Callable[[str], None]  # one line of what Blender prints, without its end
OnProgress = Callable[[int, int, int], None]  # frame, sample, samples


class Child:
    """Takes one command at a time.

    Cancelling a call that waits for an answer kills it: in the bpy package nothing stops a render politely.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        program: str,
        temp: Path,
        on_log: OnLog,
        on_progress: OnProgress,
        oom: int,
    ) -> None:
        self.process = process
        self.program = program
        self._temp = temp
        self._on_log = on_log
        self._on_progress = on_progress
        self._tail: deque[str] = deque(maxlen=RENDERER_TAIL)
        self._oom = oom  # processes that the kernel had killed for want of memory, before this one was there
        self._short = False  # it was one of them
        self._letting_go = False
        self._broken = ""  # why we ended it ourselves, which its exit code would not tell
        self._pending: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._watcher = asyncio.create_task(self._watch(), name=f"renderer {process.pid}")

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        temp: Path | None,
        environment: Mapping[str, str],
        on_log: OnLog,
        on_progress: OnProgress,
        longest: int = RENDERER_LINE,
    ) -> "Child":
        """Start it; it says something by itself when it is ready (``answer``).

        It gets a folder of its own for temporary files, inside ``temp``, which is removed when it has ended: Blender
        leaves its own behind when killed. Raises BlenderNotFoundError if it cannot be started.
        """
        try:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="netrender-renderer-", dir=temp))
        except OSError as error:
            raise errors.cannot_write("no folder for Blender's temporary files", error, "free some space") from error
        oom = await asyncio.to_thread(memory.kills)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                limit=longest,
                # Unbuffered, so that log lines arrive while the frame renders.
                env=_inherited()
                | dict(environment)
                | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
                | {"PYTHONUNBUFFERED": "1"},
                **_own_group(),
            )
        except OSError as error:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise errors.BlenderNotFoundError(
                f"no Blender: {command[0]!r} does not start ({error}); {REMEDY}"
            ) from error
        return cls(process, command[0], folder, on_log, on_progress, oom)

    @property
    def alive(self) -> bool:
        return self.process.returncode is None and not self._watcher.done() and not self._broken

    async def ended(self) -> None:
        """Wait until it, all that it started, and its temporary files are gone."""
        await asyncio.shield(self._watcher)

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """Send a command and wait for its answer. Raises RendererError if it ends instead."""
        if not self.alive:
            raise self.death()
        self._pending = asyncio.get_running_loop().create_future()
        assert self.process.stdin is not None
        try:
            # It died: the watcher says so, and why. RuntimeError is uvloop's word for a pipe that it knows is closed.
            with contextlib.suppress(ConnectionError, RuntimeError):
                self.process.stdin.write(json.dumps(fields).encode() + b"\n")
                await self.process.stdin.drain()
            self._oom = await asyncio.to_thread(memory.kills)  # the command is on its way already
        except asyncio.CancelledError:  # nobody waits for the answer to what it was told
            self.kill()
            raise
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        try:
            return await self._pending
        except asyncio.CancelledError:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, with everything that it started. ``ended`` waits for that."""
        self._kill_because("it was told to end")

    def give_up(self, why: str) -> NoReturn:
        """End a renderer that does not speak the protocol."""
        self._kill_because(why)
        raise self.death()

    async def stop(self) -> None:
        """Ask it to end; terminate and then kill it if it does not."""
        if self._watcher.done():
            return
        self._broken = self._broken or "it was told to end"
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):  # it ended by itself
            self.process.stdin.write(b'{"do":"quit"}\n')
            self.process.stdin.close()  # the end of input ends it even in the middle of a frame
        for name in ("SIGTERM", "SIGKILL"):
            await asyncio.wait({self._watcher}, timeout=STOP_GRACE)
            if self._watcher.done():
                return
            self._signal_group(name)
        await self.ended()

    def death(self) -> errors.RendererError:
        """How it ended, and what it said last."""
        code = self.process.returncode
        said = "its last lines:\n" + "\n".join(self._tail) if self._tail else "it printed nothing"
        if self._short:
            how = "was killed by the system, which was out of memory"
            return errors.MemoryShortError(f"not enough memory: the renderer ({self.program}) {how}; {said}")
        if self._broken:
            how = f"had to be ended: {self._broken}"
        elif code is not None and code < 0:
            how = f"was killed by {_signal_name(-code)}"
        else:
            how = f"ended with exit code {code}"
        return errors.RendererError(f"the renderer ({self.program}) {how}; {said}")

    def printed(self, text: str) -> bool:
        """One of its last lines has this text."""
        return any(text in line for line in self._tail)

    def _kill_because(self, why: str) -> None:
        self._broken = self._broken or why
        self._signal_group("SIGKILL")
        self._let_go_soon()

    def _let_go_soon(self) -> None:
        """Close the pipes after a while, because what left the group may hold their other ends for ever."""

        def let_go() -> None:
            if not self._watcher.done():
                logger.warning("something that renderer %d started may run on", self.process.pid)
                self.process._transport.close()  # type: ignore[attr-defined]  # asyncio offers nothing else

        if not self._letting_go:
            self._letting_go = True
            asyncio.get_running_loop().call_later(STOP_GRACE, let_go)

    def _signal_group(self, name: str) -> None:
        if self._watcher.done():  # its number may be another process's by now
            return
        # macOS refuses to signal a group of which only zombies are left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":  # there are neither groups nor signals
                self.process.kill()
            else:
                os.killpg(self.process.pid, signal.Signals[name])

    async def _watch(self) -> None:
        """Read both pipes until it has ended, then tell whoever waits for an answer."""
        replies = asyncio.create_task(self._read_replies())
        logs = asyncio.create_task(self._read_log())
        exited = asyncio.create_task(self.process.wait())
        await asyncio.wait({replies, exited}, return_when=asyncio.FIRST_COMPLETED)
        # The replies ended a moment before the process: wait for its own exit code, but not for ever.
        await asyncio.wait({exited}, timeout=STOP_GRACE)
        if exited.done() and self.process.returncode in memory.KILLED and not self._broken:
            self._short = await asyncio.to_thread(memory.kills) > self._oom
        self._signal_group("SIGKILL")  # what it started holds the pipes, and must not outlive it
        self._let_go_soon()
        await asyncio.gather(replies, logs, exited)
        assert self.process.stdin is not None
        self.process.stdin.close()
        await asyncio.to_thread(shutil.rmtree, self._temp, ignore_errors=True)
        if not self._pending.done():
            self._pending.set_exception(self.death())
            self._pending.exception()  # nobody may be waiting for it

    async def _read_replies(self) -> None:
        assert self.process.stdout is not None
        while True:
            try:
                line = await self.process.stdout.readline()
            except ValueError:  # the stream's limit
                self._kill_because("it sent a line that is too long to be an answer")
                return
            if line.startswith(_REPLY):
                self._take(line.removeprefix(_REPLY))
            elif line:
                self._log(line)
            else:
                return

    def _take(self, text: bytes) -> None:
        if self._broken:  # nothing that it says can be relied on
            return
        try:
            reply = json.loads(text)
            if reply["type"] == "progress":
                progress = codec.structure({key: reply[key] for key in reply if key != "type"}, Progress)
                self._on_progress(progress.frame, progress.sample, progress.samples)
            elif self._pending.done():
                self._kill_because(f"it sent {reply['type']!r} without being asked")
            else:
                self._pending.set_result(reply)
        except (ValueError, KeyError, TypeError, RecursionError, errors.NetrenderError):
            self._kill_because(f"it sent a line that is no answer: {text[:80]!r}")

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        async for line in _lines(self.process.stderr):
            self._log(line)

    def _log(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            self._tail.append(text)
        self._on_log(text)


def _inherited() -> dict[str, str]:
    """Our environment without what is ours alone: keys and passwords are nothing for what is in a .blend.

    Not a list of what Blender needs, because drivers and studios' own Blenders need names that nobody can list.
    """
    return {name: value for name, value in os.environ.items() if not _OURS.search(name)}


def _own_group() -> dict[str, Any]:
    """Ctrl-C in the terminal is for the agent, which ends its renderer in good order."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


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
