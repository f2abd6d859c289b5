"""The slave's renderer, kept warm: started before it is needed, opened once a job, replaced when it is gone."""

import asyncio
import logging
import stat
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, ParamSpec

from ..constants import RENDERER_SHORT_LINE, RESULT_MOST
from ..errors import (
    BadSceneError,
    BlenderNotFoundError,
    NetrenderError,
    RendererError,
    RendererStartError,
    StorageError,
)
from ..renderer import OnLog, OnProgress, Ready, Renderer
from .rooms import Room, Rooms
from .trace import Trace
from .tree import Tree
from .watch import Watch

logger = logging.getLogger(__name__)
P = ParamSpec("P")


class WarmRenderer:
    """One renderer at a time, of which the agent need not know whether it is the first or a new one.

    Every scene gets a fresh one: Blender does not give back the memory of the scene before.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        temp: Path,
        rooms: Rooms,
        threads: int,
        trace: Trace,
        on_log: OnLog,
        on_progress: OnProgress,
    ) -> None:
        self._command = command
        self._temp = temp
        self._rooms = rooms
        self._room: dict[Renderer, Room] = {}  # of each that is alive
        self._threads = threads
        self._trace = trace
        self._on_log = self._watched(on_log)
        self._on_progress = self._watched(on_progress)
        self._watch: Watch | None = None  # over the frame that renders
        self._current: asyncio.Task[Renderer] | None = None
        self.job: str | None = None  # whose .blend it was told to open
        self._scene = ""  # what that is, also in other jobs
        self._opened = False
        self._colors = ""  # the OpenColorIO configuration that it was started with
        self._version = ""  # of the Blender that the coordinator knows
        self._ending: set[asyncio.Task[None]] = set()  # kept, lest they are collected
        self._stopping = False
        self._provisional = False  # it told what Blender this is, and has no folders on the slave's disk, which is full

    async def start(self) -> Ready:
        """Start the first one, or another where none is usable, whatever its version.

        Raises BlenderNotFoundError, RendererError or StorageError.
        """
        self._version = ""
        current = self._current
        if current is None or not self._usable():
            current = self._replace()
        ready = (await asyncio.shield(current)).ready
        self._version = ready.blender
        return ready

    def forget(self) -> None:
        """Close what is open: its files, and Blender's temporary ones, may go."""
        self.expect("")

    def expect(self, scene: str) -> None:
        """This scene is rendered next: have a fresh renderer ready for it, unless it is open."""
        fits = self.job is None or (self._scene == scene and self._opened)  # one that failed to open has had its scene
        if not (fits and self._usable()):
            self._replace()

    async def open(self, tree: Tree, scene: str) -> None:
        """Open the job's .blend; done at once if its scene is open. Raises BadSceneError or RendererError."""
        self.expect(scene)
        if self._opened:
            return
        if tree.colors != self._colors:
            self._replace(tree.colors, tree.job)
        assert self._current is not None
        renderer = await asyncio.shield(self._current)
        self.job, self._scene = tree.job, scene
        await self._rooms.give(self._room[renderer], tree.job)
        settings = tree.manifest.render
        with self._trace.span("open", tree.job):
            await self._or_replace(
                renderer,
                renderer.open(tree.blend, settings, threads=self._threads, mapped=tree.mapped, inside=tree.inside),
            )
        self._opened = True

    async def render(self, frame: int, output: Path, stall: float = 0.0, most: int = 0) -> float | NetrenderError:
        """Render a frame of what is open; returns the seconds it took, or what went wrong.

        Cancelling it kills the renderer; the next one starts at once. So do ``stall`` seconds without a line or a
        sample, and more than ``most`` bytes of memory; 0 of either is no limit.
        """
        assert self._current is not None
        renderer = self._current.result()
        watch = self._watch = Watch(renderer, stall, most)
        rendered = self._room[renderer].results / output.name
        try:
            seconds = await self._or_replace(renderer, renderer.render(frame, rendered))
            rendered.replace(output)  # on the same disk, out of its reach
            return _checked(output, seconds)
        except NetrenderError as error:
            return watch.reason or error
        except OSError as error:
            return StorageError(f"frame {frame} was rendered, but not kept: {error}; free some space")
        finally:
            watch.close()
            self._watch = None

    async def stop(self) -> None:
        self._stopping = True
        if self._current is not None:
            if self._current.done() and not self._current.cancelled() and self._current.exception() is None:
                await self._current.result().stop()
            else:
                self._current.cancel()
                await asyncio.wait({self._current})
        if self._ending:
            await asyncio.wait(self._ending)
        for room in list(self._room.values()):
            await self._rooms.remove(room)

    def _watched(self, tell: Callable[P, None]) -> Callable[P, None]:
        def sign_of_life(*args: P.args, **kwargs: P.kwargs) -> None:
            if self._watch is not None:
                self._watch.alive()
            tell(*args, **kwargs)

        return sign_of_life

    def _usable(self) -> bool:
        """It is starting, or ready and alive."""
        if self._current is None or self._current.cancelled():
            return False
        if not self._current.done():
            return True
        return self._current.exception() is None and self._current.result().alive and not self._provisional

    async def _or_replace(self, renderer: Renderer, command: Coroutine[Any, Any, float]) -> float:
        """Whatever the command's end: there is a renderer afterwards, or one starts."""
        try:
            return await command
        finally:
            if not renderer.alive and not self._stopping:
                self._replace()

    async def _leave(self, renderer: Renderer) -> None:
        await renderer.ended()
        await self._rooms.remove(self._room.pop(renderer))

    def _replace(self, colors: str = "", job: str = "") -> "asyncio.Task[Renderer]":
        old = self._current
        self._colors = colors
        self.job, self._opened = None, False
        before: asyncio.Task[None] | None = None
        if old is not None and old.done() and not old.cancelled() and old.exception() is None:
            before = self._end(old.result())
        self._current = asyncio.create_task(self._start(before, colors, job), name="renderer starting")
        self._current.add_done_callback(_note)
        return self._current

    async def _start(self, before: "asyncio.Task[None] | None", colors: str, job: str) -> Renderer:
        self._provisional = False
        try:
            renderer = await self._start_in(await self._rooms.make(), self._temp, colors, job)
        except StorageError as error:
            if self._version:
                raise
            # The first one tells what Blender this is; without that the slave could not even say what it lacks.
            logger.error("%s; Blender's temporary files are in the system's folder until there is room", error.message)
            renderer = await self._start_in(await self._rooms.make_elsewhere(), None, colors, job)
            self._provisional = True
        except (BlenderNotFoundError, RendererError) as error:
            if not colors:
                raise
            # If this fails too, it is not for the job's colours.
            self._end(await self._start_in(await self._rooms.make(), self._temp, "", ""))
            raise BadSceneError(
                f"Blender does not start with the job's colour configuration: {error.message}"
            ) from error
        if self._version not in ("", renderer.ready.blender):
            self._end(renderer)
            raise RendererStartError(f"Blender is {renderer.ready.blender} now, and was {self._version}")
        if before is not None:
            await asyncio.wait({before})  # the memory of the one before is free when a scene is opened
        logger.info("the renderer is ready: Blender %s, process %d", renderer.ready.blender, renderer.pid)
        return renderer

    async def _start_in(self, room: Room, temp: Path | None, colors: str, job: str) -> Renderer:
        try:
            if colors:  # Blender reads them when it starts
                await self._rooms.give(room, job)
            renderer = await Renderer.start(
                [*self._command, *self._rooms.arguments(room)],
                temp=temp,
                # Both, and even if empty: this machine's own configuration must not change the job's picture.
                environment=dict.fromkeys(("OCIO", "BLENDER_OCIO"), colors),
                on_log=self._on_log,
                on_progress=self._on_progress,
                longest=RENDERER_SHORT_LINE,
            )
        except BaseException:
            await self._rooms.remove(room)
            raise
        self._room[renderer] = room
        return renderer

    def _end(self, renderer: Renderer) -> "asyncio.Task[None]":
        renderer.kill()
        ending = asyncio.create_task(self._leave(renderer), name="renderer ending")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        return ending


def _checked(output: Path, seconds: float) -> float | NetrenderError:
    """Whether a renderer that says so has made a file that can be read: not a link, a pipe, or one without an end."""
    about = output.lstat()
    if stat.S_ISREG(about.st_mode) and about.st_nlink == 1 and about.st_size <= RESULT_MOST:
        return seconds
    output.unlink()
    return RendererError("what the renderer left as a result is no file that a frame can be")


def _note(start: "asyncio.Task[Renderer]") -> None:
    """A start that fails is tried again when there is work, which then gets the error; here it is only told."""
    if not start.cancelled() and (error := start.exception()) is not None:
        logger.error("the renderer did not start: %s", error)
