"""The agent: takes leases, renders their frames one after the other, and answers for each of them.

The renderer never waits for the network: between the end of a frame and the command for the next one, nothing is
awaited. Hashing, moving, sending and fetching are other tasks.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..constants import PROTOCOL_VERSION, STOP_GRACE
from ..errors import NetrenderError, cannot_write
from ..protocol import messages
from ..protocol.jobs import CONFINABLE
from ..protocol.limits import printable
from ..protocol.states import Fault
from ..renderer import Ready
from . import memory, space
from .api import Api
from .cache import Cache
from .connection import Connection
from .exports import Exports
from .health import Health
from .identity import Slot
from .leases import Lease
from .logs import FrameLog
from .machine import Machine
from .options import SlaveOptions
from .outbox import Outbox, Result
from .reports import Reports
from .rooms import Rooms
from .trace import Trace
from .tree import Tree
from .trees import Trees
from .warm import WarmRenderer

logger = logging.getLogger(__name__)


class _Dropped(Exception):
    """The frame that renders was revoked, and the rest of its lease was not."""


class Agent:
    """One render slot, from its start to its stop."""

    def __init__(self, slot: Slot, command: Sequence[str], options: SlaveOptions, api: Api, trace: Trace) -> None:
        self._slot = slot
        self._threads = options.threads
        self._tags = options.tags
        self._api = api
        self._trace = trace
        self._group = asyncio.TaskGroup()
        cache = Cache(slot.folder / "cache", api, trace, path_maps=options.path_maps, limit=options.cache_limit)
        self._renderer = WarmRenderer(
            command,
            temp=slot.folder / "temp",
            rooms=Rooms(
                slot.folder / "cache",
                slot.folder / "work",
                (one.target for one in options.path_maps),
                cache.take_in,
                confine=options.confine,
            ),
            threads=options.threads,
            trace=trace,
            on_log=self._on_log,
            on_progress=self._on_progress,
        )
        self._trees = Trees(cache, self._spawn)
        self._outbox = Outbox(
            slot.folder / "outbox", api, trace, Exports(options.results_folders, api), self._on_delivered
        )
        self._machine = Machine(slot, self._renderer, cache, self._outbox)
        self._health = Health(self._check, self._say_aside, self._say_fit)
        self._connection = Connection(api, hello=self._hello, on_welcome=self._on_welcome, on_message=self._on_message)
        self._reports = Reports(api, self._connection, self._spawn)
        self._ready: Ready | None = None
        self._leases: dict[int, Lease] = {}
        self._queue: deque[Lease] = deque()
        self._arrived = asyncio.Event()  # something is in _queue
        self._serving: tuple[Lease, asyncio.Task[None]] | None = None
        self._rendering: tuple[Lease, int] | None = None
        self._frame_task: asyncio.Task[float | NetrenderError] | None = None
        self._log: FrameLog | None = None  # of the frame that renders, or for which the .blend is opened
        self._keeping: set[asyncio.Task[None]] = set()  # rendered files on their way into the outbox

    async def run(self) -> None:
        """Render until cancelled. Raises what the renderer does not start for, and what the coordinator refuses."""
        try:
            self._ready = await self._renderer.start()
            _tell_confinement(self._ready)
            if error := await self._machine.full():
                logger.error("%s", error.message)
                self._health.set_aside(error)
            if left := await asyncio.to_thread(self._outbox.load):
                logger.info("%d results of an earlier run are still to be delivered", len(left))
            async with self._group:
                connection = self._spawn(self._connection.run(), "connection")
                self._spawn(self._outbox.run(), "outbox")
                self._spawn(self._health.run(), "health")
                try:
                    await self._serve_all()
                finally:
                    await self._wind_down(connection)
                    self._connection.close()
        finally:
            await self._renderer.stop()

    # --- what the renderer says ---

    def _on_log(self, line: str) -> None:
        if self._log is not None:
            self._log.write(line)
        else:
            logger.debug("renderer: %s", line)

    def _on_progress(self, frame: int, sample: int, samples: int) -> None:
        if self._rendering is not None and self._rendering[1] == frame:
            lease = self._rendering[0].number
            self._connection.send(messages.Progress(lease=lease, frame=frame, sample=sample, samples=samples))

    # --- what the coordinator says ---

    def _hello(self) -> messages.Hello:
        assert self._ready is not None
        holding = self._outbox.held()
        for lease in self._leases.values():
            if frames := lease.left | lease.failures.keys():
                holding.setdefault(lease.number, set()).update(frames)
        return messages.Hello(
            protocol=PROTOCOL_VERSION,
            netrender=__version__,
            slave=self._slot.id,
            name=self._slot.name,
            host=printable(socket.gethostname()),
            blender=self._ready.blender,
            threads=self._threads or os.cpu_count() or 1,
            features=self._ready.features,
            tags=self._tags,
            memory=memory.installed(),
            confined=self._ready.confined,
            aside=self._health.reason,
            holding=_held(holding),
        )

    def _on_welcome(self) -> None:
        """Say again what a coordinator that was away may have missed."""
        self._reports.again(list(self._leases.values()))
        for number, frames in self._outbox.held().items():
            for frame in sorted(frames) if number in self._leases else ():
                self._connection.send(messages.Started(lease=number, frame=frame))  # so nobody else begins it
        if self._rendering is not None:
            lease, frame = self._rendering
            self._connection.send(messages.Started(lease=lease.number, frame=frame))

    def _on_message(self, message: messages.Work | messages.Cancel) -> None:
        if isinstance(message, messages.Cancel):
            if message.frames:
                self._drop(message.lease, message.frames, message.reason)
            else:
                self._cancel(message.lease, message.reason)
        elif self._health.reason:
            self._health.asked()
        elif message.lease not in self._leases:
            logger.info("lease %d: job %s, %d frames", message.lease, message.job, len(message.frames))
            lease = self._leases[message.lease] = Lease.of(message, self._forget)
            self._trees.begin(lease)  # its files come in while the frames before it render
            self._queue.append(lease)
            self._arrived.set()

    def _cancel(self, number: int, reason: str) -> None:
        self._outbox.discard(number)
        lease = self._leases.pop(number, None)
        if lease is None:
            return
        logger.info("lease %d of job %s is revoked: %s", number, lease.job, reason)
        lease.cancel()
        if lease in self._queue:
            self._queue.remove(lease)
        if self._serving is not None and self._serving[0] is lease:
            self._serving[1].cancel()
        self._forget_trees()

    def _drop(self, number: int, frames: Sequence[int], reason: str) -> None:
        """Other slaves have these frames now, or were first with them."""
        self._outbox.discard(number, frames)
        lease = self._leases.get(number)
        if lease is None:
            return
        logger.info("lease %d of job %s: %d frames are revoked: %s", number, lease.job, len(frames), reason)
        lease.drop(frames)
        if self._rendering is not None and self._rendering[0] is lease and self._rendering[1] in frames:
            assert self._frame_task is not None
            self._frame_task.cancel()

    # --- rendering ---

    async def _serve_all(self) -> None:
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            lease = self._queue.popleft()
            task = self._spawn(self._serve(lease), f"lease {lease.number}")
            self._serving = lease, task
            await asyncio.wait({task})
            self._serving = None
            if lease.cancelled:
                self._remove_work(lease)

    async def _serve(self, lease: Lease) -> None:
        """Render the frames of a lease. Cancelled when the lease is."""
        self._renderer.expect(lease.scene)
        try:
            tree = await self._trees.get(lease)
            self._make_work(lease)
        except NetrenderError as error:
            self._could_not_begin(lease, error)
            return
        while lease.todo:
            self._log = self._reports.log(lease, lease.todo[0])
            try:
                await self._serve_next(lease, tree, self._log)
            finally:
                self._log.close()
                self._log = None

    async def _serve_next(self, lease: Lease, tree: Tree, log: FrameLog) -> None:
        try:
            await self._renderer.open(tree, lease.scene)
        except NetrenderError as error:
            self._could_not_begin(lease, error, log)
            return
        if not lease.todo or lease.todo[0] != log.frame:
            return  # it was revoked while the scene was opened
        frame = lease.todo.popleft()
        output = self._work(lease) / f"{frame}.exr"
        self._rendering = lease, frame
        self._connection.send(messages.Started(lease=lease.number, frame=frame))
        try:
            with self._trace.span("render", lease.job, frame):
                seconds = await self._render(lease, frame, output, tree.manifest.memory)
        except _Dropped:
            logger.info("job %s frame %d is not wanted from here any more", lease.job, frame)
            return
        except NetrenderError as error:
            self._could_not_render(lease, frame, error, log)
            return
        finally:
            self._rendering = None
        if tree.manifest.discard:
            with contextlib.suppress(OSError):  # it goes with its folder
                output.unlink()
            self._spawn(self._tell_done(lease, frame, seconds, log), f"tell frame {frame}")
            return
        result = self._outbox.add(
            output,
            job=lease.job,
            frame=frame,
            lease=lease.number,
            seconds=seconds,
            after=log.sent,
            results=tree.manifest.results,
        )
        task = self._spawn(self._keep(lease, frame, result), f"keep frame {frame}")
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _render(self, lease: Lease, frame: int, output: Path, most: int) -> float:
        """Render one frame. Raises RendererError, also if it is silent for too long, and _Dropped."""
        self._frame_task = task = self._spawn(
            self._renderer.render(frame, output, lease.stall, most), f"render frame {frame}"
        )
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            self._frame_task = None
        if task.cancelled():
            raise _Dropped
        seconds: float | NetrenderError = task.result()
        if isinstance(seconds, NetrenderError):
            raise seconds
        return seconds

    async def _tell_done(self, lease: Lease, frame: int, seconds: float, log: FrameLog) -> None:
        await log.sent.wait()
        await self._api.online.wait()  # what is said after a hello, and before its welcome, is not heard
        if not lease.cancelled:
            self._connection.send(messages.Done(lease=lease.number, frame=frame, seconds=seconds))
            lease.settle(frame)

    async def _keep(self, lease: Lease, frame: int, adding: Coroutine[Any, Any, None]) -> None:
        """Bring a rendered file into the outbox, while the next frame renders."""
        try:
            await adding
        except NetrenderError as error:
            self._could_not_render(lease, frame, error)
            return
        logger.info("job %s frame %d is rendered", lease.job, frame)
        if lease.cancelled:
            self._outbox.discard(lease.number)
        lease.settle(frame)

    # --- what cannot be rendered, and whose fault it is ---

    def _could_not_begin(self, lease: Lease, error: NetrenderError, log: FrameLog | None = None) -> None:
        """None of the frames that are left can be rendered here. ``log`` is that of the first."""
        if error.fault is not Fault.MACHINE:
            self._reports.fail_rest(lease, error, log)
        elif lease.todo:
            self._set_aside(error, lease, lease.todo[0], log)

    def _could_not_render(self, lease: Lease, frame: int, error: NetrenderError, log: FrameLog | None = None) -> None:
        if error.fault is Fault.MACHINE:
            self._set_aside(error, lease, frame, log)
        else:
            self._reports.fail(lease, frame, error, log)

    def _set_aside(self, error: NetrenderError, lease: Lease, frame: int, log: FrameLog | None = None) -> None:
        """Give back all that is not rendered, and take nothing until the machine can render again."""
        if lease.cancelled:
            return
        logger.error("the slave is set aside: job %s frame %d: %s", lease.job, frame, error.message)
        lease.give_back((frame,))
        self._health.set_aside(error, lease.job, self._reports.explain(lease, frame, error, log).sent)
        self._give_back()

    def _give_back(self) -> None:
        for lease in list(self._leases.values()):
            lease.give_back((self._rendering[1],) if self._rendering and self._rendering[0] is lease else ())
            self._forget(lease.number)
        self._queue.clear()
        if self._serving is not None and self._serving[1] is not asyncio.current_task():
            self._serving[1].cancel()
        self._forget_trees()

    def _say_aside(self, job: str) -> None:
        holding = self._outbox.held()
        for lease in self._leases.values():
            if lease.left:
                holding.setdefault(lease.number, set()).update(lease.left)
        self._connection.send(messages.Aside(reason=self._health.reason, job=job, holding=_held(holding)))

    def _say_fit(self) -> None:
        logger.warning("the slave can render again")
        self._connection.send(messages.Fit())

    async def _check(self, wanted: int) -> NetrenderError | None:
        """What is in the way of rendering; None if nothing is."""
        if error := await self._machine.make_room(wanted):
            return error
        try:
            ready = await self._machine.start_blender()
        except NetrenderError as failure:
            return failure
        if self._ready is not None and ready.blender != self._ready.blender:
            logger.warning("Blender is %s now, and was %s", ready.blender, self._ready.blender)
            await self._deliver_what_is_left()
            self._connection.renew()
        self._ready = ready
        return None

    # --- the end of a lease ---

    def _on_delivered(self, result: Result, error: NetrenderError | None) -> None:
        """A result has left the outbox; with an error if its frame was rendered in vain."""
        if error is not None:
            self._delivery_failed(result, error)
        self._forget(result.lease)

    def _delivery_failed(self, result: Result, error: NetrenderError) -> None:
        logger.warning("%s: %s", result, error.message)
        if error.fault is Fault.MACHINE:
            self._health.set_aside(error, result.job)
            self._give_back()
            return
        failed = messages.Failed(lease=result.lease, frame=result.frame, message=error.message, fault=error.fault)
        if lease := self._leases.get(result.lease):
            lease.failures[result.frame] = failed
        self._connection.send(failed)

    def _forget(self, number: int) -> None:
        """Drop a lease of which nothing is left to be rendered or delivered."""
        if number in self._outbox.held():
            return
        if number in self._leases and not self._leases[number].left:
            self._remove_work(self._leases.pop(number))
            self._forget_trees()

    def _work(self, lease: Lease) -> Path:
        """Where its frames are rendered to, before they are results."""
        return self._slot.folder / "work" / str(lease.number)

    def _make_work(self, lease: Lease) -> None:
        try:
            self._work(lease).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(space.FAILED, error, space.REMEDY) from error

    def _remove_work(self, lease: Lease) -> None:
        shutil.rmtree(self._work(lease), ignore_errors=True)

    def _forget_trees(self) -> None:
        jobs = {lease.job for lease in self._leases.values()}
        self._trees.keep_only(self._leases.keys(), jobs | {self._renderer.job} if self._renderer.job else jobs)

    def _spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> "asyncio.Task[Any]":
        """A task that is kept and watched: if it dies, the slave ends loudly."""
        return self._group.create_task(coroutine, name=name)

    async def _wind_down(self, connection: "asyncio.Task[None]") -> None:
        """End the renderer, keep what is rendered, deliver it if that goes quickly, and say goodbye."""
        if self._serving is not None:
            self._serving[1].cancel()
        await self._renderer.stop()
        if self._keeping:
            await asyncio.wait(self._keeping)
        if self._api.online.is_set():
            await self._deliver_what_is_left()
            self._connection.send(messages.Goodbye(reason="it was stopped"))
            self._connection.close()
            await asyncio.wait({connection}, timeout=STOP_GRACE)
        if left := len(self._outbox.held()):
            logger.info("results of %d leases are not delivered; they stay in the outbox for the next start", left)

    async def _deliver_what_is_left(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_GRACE):
                await self._outbox.delivered()


def _tell_confinement(ready: Ready) -> None:
    if set(ready.confined) == set(CONFINABLE):
        logger.info("the renderer is confined to its job's files, its results and the mapped folders")
        return
    what = f"confined only in part ({', '.join(ready.confined)})" if ready.confined else "not confined"
    why = ready.unconfined or "it was not told to be"
    logger.warning("the renderer is %s: %s; what is in a .blend may reach what this user may", what, why)


def _held(holding: Mapping[int, set[int]]) -> tuple[messages.Held, ...]:
    return tuple(
        messages.Held(lease=number, frames=tuple(sorted(frames))) for number, frames in sorted(holding.items())
    )
