"""What this Blender knows of the farm: threads ask, one timer takes what they tell, panels draw from the state here.

bpy is touched on the main thread alone. Nothing here is started by drawing: an operator does, and unregistering ends it.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import errands, farm, preferences
from .animation import Animation
from .errands import Where

if TYPE_CHECKING:
    from coordinator.client import Client
    from coordinator.protocol.jobs import JobInfo, SlaveInfo

BUDGET = 0.005  # seconds of a tick in which messages are taken
TICK, IDLE_TICK = 0.05, 0.25  # seconds between two ticks: while something is going on, and while only watching


@dataclass
class Farm:
    """What panels draw. Only the main thread changes it."""

    connected: bool = False
    line: str = ""  # where it is, or why it cannot be reached
    jobs: dict[str, JobInfo] = field(default_factory=dict)  # newest last
    slaves: dict[str, SlaveInfo] = field(default_factory=dict)
    animation: Animation | None = None
    upload: tuple[int, int] | None = None  # bytes of a job that is being sent
    note: str = ""  # what happened last


state = Farm()
_messages: queue.SimpleQueue[tuple[Callable[[Any], None], Any]] = queue.SimpleQueue()
_errands: list[errands.Errand] = []
_watch: errands.Errand | None = None
_tickers: list[Callable[[], None]] = []  # called at each tick, until they take themselves off


def where(scene: Any) -> Where:
    """Where this scene's coordinator is."""
    stored = preferences.read()
    settings = scene.netrender
    return Where(settings.address.strip(), settings.port, stored.pairing_line, stored.coordinator)


def cache() -> Path:
    """Where snapshots and frames are kept."""
    return preferences.read().cache_folder


def run(
    name: str, where: Where, work: Callable[[Client, errands.Tell], None], take: Callable[[Any], None]
) -> errands.Errand:
    """Do ``work`` on a thread; ``take`` gets what it tells, on the main thread."""
    errand = errands.Errand(name, where, work, teller(take))
    _errands.append(errand)
    return errand


def teller(take: Callable[[Any], None]) -> errands.Tell:
    """Hands messages from any thread to ``take`` on the main thread."""
    start_timer()
    return lambda message: _messages.put((take, message))


def each_tick(call: Callable[[], None]) -> None:
    """Call this at every tick."""
    _tickers.append(call)
    start_timer()


def no_more_ticks(call: Callable[[], None]) -> None:
    if call in _tickers:
        _tickers.remove(call)


def watch(where: Where) -> None:
    """Keep ``state`` as the farm is, from now on."""
    global _watch
    stop_watching()

    def follow(client: Client, tell: errands.Tell) -> None:
        for slave in client.slaves():
            tell(farm.messages.SlaveChanged(slave=slave))
        for event in client.events():
            if event is not None:
                tell(event)

    state.line = "connecting"
    _watch = run("watch", where, follow, take)


def stop_watching() -> None:
    global _watch
    if _watch is not None:
        _watch.cancel()
        _errands.remove(_watch)
        _watch = None
    state.connected, state.line = False, ""
    state.jobs.clear()
    state.slaves.clear()


def watching() -> bool:
    return _watch is not None


def take(event: Any) -> None:
    """An event of the farm, into the state."""
    messages = farm.messages
    match event:
        case errands.Connected(line=line):
            state.connected, state.line = True, line.partition("#")[0]
        case errands.Broke(error=error):
            state.connected, state.line = False, error.message
        case messages.JobChanged(job=job):
            state.jobs[job.id] = job
        case messages.SlaveChanged(slave=slave):
            state.slaves[slave.id] = slave
        case messages.FrameDispatched(job=job):
            _count(job, queued=-1, dispatched=1)
        case messages.FrameDone(job=job):
            _count(job, dispatched=-1, done=1)
        case messages.FrameFailed(job=job, final=True):
            _count(job, dispatched=-1, error=1)
        case messages.FrameQueued(job=job):
            _count(job, dispatched=-1, queued=1)


def _count(job: str, **changes: int) -> None:
    """Between two reports of a job its counts follow the events."""
    info = state.jobs.get(job)
    if info is not None:
        counts = {name: max(0, getattr(info.counts, name) + change) for name, change in changes.items()}
        state.jobs[job] = farm.evolve(info, counts=farm.evolve(info.counts, **counts))


def start_timer() -> None:
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


def _tick() -> float | None:
    """The one timer. Ends itself when nobody is left to hear."""
    changed = drain()
    for call in list(_tickers):
        call()
    _errands[:] = [errand for errand in _errands if errand.alive or errand is _watch]
    if changed:
        redraw()
    if not _errands and not _tickers and _messages.empty():
        return None
    return TICK if _tickers or len(_errands) > watching() else IDLE_TICK


def drain(budget: float = BUDGET) -> bool:
    """Take what the threads told, for no longer than this. Whether there was anything."""
    began, found = time.perf_counter(), False
    while time.perf_counter() - began < budget:
        try:
            take_it, message = _messages.get_nowait()
        except queue.Empty:
            break
        found = True
        take_it(message)
    return found


def redraw() -> None:
    """The areas where our panels are."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PROPERTIES":
                area.tag_redraw()


def register() -> None:
    """Nothing starts by itself."""


def unregister() -> None:
    stop_watching()
    if state.animation is not None:
        state.animation.stop()
        state.animation.close()
        state.animation = None
    for errand in _errands:
        errand.cancel()
    _errands.clear()
    _tickers.clear()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
