"""What this Blender knows of the farm: threads ask, one timer takes what they tell, panels draw from the state here.

bpy is touched on the main thread alone. Drawing starts nothing here: operators do, and unregistering ends it.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import errands, preferences, watching
from .animation import Animation
from .errands import Where

if TYPE_CHECKING:
    from coordinator.client import Client

BUDGET = 0.005  # seconds of a tick in which messages are taken
TICK, IDLE_TICK = 0.05, 0.25  # seconds between two ticks: while something is going on, and while only watching


state = watching.Farm()
animation: Animation | None = None  # the one that a window gathers
upload: tuple[int, int] | None = None  # bytes done and in all of a job that is being sent
note: str = ""  # what happened last
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

    state.line = "connecting"
    _watch = run("watch", where, watching.follow, state.take)


def stop_watching() -> None:
    global _watch
    if _watch is not None:
        _watch.cancel()
        _errands.remove(_watch)
        _watch = None
    state.clear()


def is_watching() -> bool:
    return _watch is not None


def begin(make: Callable[[errands.Tell], Animation]) -> None:
    """Start an animation that the timer carries on. Raises what ``make`` raises."""
    global animation
    animation = make(teller(lambda message: animation.take(message) if animation is not None else None))
    each_tick(_carry_on)


def _carry_on() -> None:
    if animation is not None:
        animation.carry_on()


def over() -> bool:
    """Whether the animation is at its end, its last frame written."""
    return animation is None or (animation.over and animation.writing is None)


def interrupt() -> None:
    """The user has enough: a job that this animation sent is cancelled, another one goes on without us."""
    if animation is None:
        return
    job, was_ours = animation.job, animation.sent
    animation.stop(f"interrupted; job {job} " + ("is cancelled" if was_ours else "goes on") if job else "interrupted")
    if was_ours:
        scene = bpy.data.scenes.get(animation.scene)
        if scene is not None:
            run("cancel", where(scene), lambda client, tell: client.command(job, "cancel"), lambda message: None)


def end() -> None:
    """After it is over."""
    global animation
    no_more_ticks(_carry_on)
    if animation is not None:
        animation.close()
    animation = None


def start_timer() -> None:
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


def _tick() -> float | None:
    """The one timer. Ends itself when nobody is left to hear."""
    changed = drain()
    for call in _tickers:
        call()
    _errands[:] = [errand for errand in _errands if errand.alive or errand is _watch]
    if changed:
        redraw()
    if not _errands and not _tickers and _messages.empty():
        return None
    return TICK if _tickers or len(_errands) > is_watching() else IDLE_TICK


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
    manager: Any = bpy.context.window_manager
    for window in manager.windows:
        for area in window.screen.areas:
            if area.type == "PROPERTIES":
                area.tag_redraw()


def register() -> None:
    """Nothing starts by itself."""


def unregister() -> None:
    global animation
    stop_watching()
    if animation is not None:
        animation.stop()
        animation.close()
        animation = None
    for errand in _errands:
        errand.cancel()
    _errands.clear()
    _tickers.clear()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
