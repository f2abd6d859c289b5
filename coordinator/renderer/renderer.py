"""What a renderer can be told to do."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .. import errors
from ..constants import OLDEST_BLENDER, RENDERER_LINE, RENDERER_START
from ..protocol import codec
from ..protocol.frames import FrameRange
from ..protocol.jobs import RenderSettings
from ..protocol.limits import MAX_SECONDS
from .child import Child, OnLog, OnProgress
from .commands import REMEDY
from .replies import Inspection, Ready

T = TypeVar("T")


class Renderer:
    """A running renderer. It takes one command at a time; cancelling the wait for its answer kills it."""

    def __init__(self, child: Child, ready: Ready) -> None:
        self._child = child
        self.ready = ready

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        temp: Path | None = None,
        environment: Mapping[str, str] | None = None,
        on_log: OnLog = lambda line: None,
        on_progress: OnProgress = lambda frame, sample, samples: None,
        longest: int = RENDERER_LINE,
    ) -> "Renderer":
        """Start it and wait until it is ready. Its temporary files are in a folder of its own inside ``temp``.

        ``environment`` is added to ours; a reply has ``longest`` bytes at most. Raises BlenderNotFoundError if what was
        started is no Blender that can render,
        RendererStartError if it crashed, StorageError if there is no room for its temporary files.
        """
        child = await Child.start(
            command,
            temp=temp,
            environment=environment or {},
            on_log=on_log,
            on_progress=on_progress,
            longest=longest,
        )
        try:
            async with asyncio.timeout(RENDERER_START):
                ready = _structure(child, _expect(child, "ready", await child.answer()), Ready)
            _check_version(child.program, ready.blender)
        except BaseException as error:
            own_exit = child.process.returncode
            child.kill()
            await child.ended()
            if isinstance(error, TimeoutError):
                text = f"{child.program} was not ready after {RENDERER_START:g} s"
                raise errors.RendererStartError(text) from error
            if isinstance(error, errors.RendererError):
                if own_exit is not None and own_exit >= 0:
                    raise _no_blender(child, error) from error
                raise errors.RendererStartError(error.message) from error
            raise
        return cls(child, ready)

    @property
    def alive(self) -> bool:
        return self._child.alive

    @property
    def pid(self) -> int:
        return self._child.process.pid

    async def open(
        self,
        blend: Path,
        settings: RenderSettings,
        *,
        threads: int = 0,
        mapped: Iterable[Mapping[str, str]] = (),
        inside: Iterable[str] = (),
    ) -> float:
        """Open a .blend for rendering; returns the seconds it took. Raises BadSceneError or RendererError.

        ``mapped`` are paths to set (``blend``, ``stored``, ``path``); ``inside``, if given, the only folders from which
        files may be read.
        """
        reply = await self._ask(
            "opened",
            do="open",
            blend=str(blend),
            scene=settings.scene,
            engine=settings.engine,
            view_layers=list(settings.view_layers),
            samples=settings.samples,
            percentage=settings.percentage,
            threads=threads,
            mapped=list(mapped),
            inside=list(inside),
        )
        return _seconds(self._child, reply)

    async def render(self, frame: int, output: Path) -> float:
        """Render one frame of the open scene; returns the seconds it took. Raises RendererError."""
        reply = await self._ask("rendered", do="render", frame=frame, output=str(output))
        return _seconds(self._child, reply)

    async def inspect(
        self,
        blend: Path,
        *,
        scene: str | None = None,
        engine: str | None = None,
        view_layers: Iterable[str] = (),
        frames: FrameRange | None = None,
    ) -> Inspection:
        """Look into a .blend. Raises BadSceneError if it cannot be rendered as asked."""
        reply = await self._ask(
            "inspected",
            do="inspect",
            blend=str(blend),
            scene=scene,
            engine=engine,
            view_layers=list(view_layers),
            frames=None if frames is None else [[span.first, span.last, span.step] for span in frames.spans],
        )
        return _structure(self._child, reply, Inspection)

    def kill(self) -> None:
        """End it at once, with everything that it started. ``ended`` waits for that."""
        self._child.kill()

    async def stop(self) -> None:
        """Ask it to end; terminate and then kill it if it does not."""
        await self._child.stop()

    async def ended(self) -> None:
        """Wait until it and its temporary files are gone."""
        await self._child.ended()

    async def _ask(self, expected: str, **fields: Any) -> dict[str, Any]:
        return _expect(self._child, expected, await self._child.ask(**fields))


def _expect(child: Child, expected: str, reply: dict[str, Any]) -> dict[str, Any]:
    if reply["type"] == "error":
        error = errors.from_code(str(reply.get("code")), str(reply.get("message")))
        if isinstance(error, errors.StorageError) and isinstance(size := reply.get("size"), int):
            error.room = size
        raise error
    if reply["type"] != expected:
        child.give_up(f"it answered {reply['type']!r} where {expected!r} was expected")
    return reply


def _seconds(child: Child, reply: dict[str, Any]) -> float:
    """How long it took: what Blender says of a scene may be any number, and a slave tells it to the farm."""
    seconds = reply.get("seconds")
    if not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_SECONDS:
        child.give_up(f"it answered a {reply['type']!r} that is wrong: {str(seconds)[:40]} seconds")
    return float(seconds)


def _structure(child: Child, reply: dict[str, Any], cls: type[T]) -> T:
    fields = {key: value for key, value in reply.items() if key != "type"}
    try:
        answer: T = codec.structure(fields, cls)
    except errors.BadRequestError as error:
        child.give_up(f"it answered a {reply['type']!r} that is wrong: {error.message}")
    return answer


def _check_version(program: str, blender: str) -> None:
    found = re.match(r"(\d+)\.(\d+)", blender)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_BLENDER:
        oldest = ".".join(map(str, OLDEST_BLENDER))
        raise errors.BlenderNotFoundError(f"{program} is Blender {blender}, but {oldest} or later is needed; {REMEDY}")


def _no_blender(child: Child, error: errors.RendererError) -> errors.BlenderNotFoundError:
    """What a user can do about a program that ended by itself before it was ready."""
    if child.printed("No module named 'bpy'"):
        return errors.BlenderNotFoundError(f"no Blender: {child.program} has no module bpy; {REMEDY}")
    return errors.BlenderNotFoundError(f"{child.program} does not work as a Blender; {REMEDY}\n{error.message}")
