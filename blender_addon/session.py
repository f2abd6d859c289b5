"""What this Blender knows of the farm: threads ask, one timer takes what they tell, panels draw from the state here.

bpy is touched on the main thread alone. Drawing starts nothing here: operators do, and unregistering ends it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import errands, farm, frame_cache, open_file, preferences, turn, watching
from .animation import Animation
from .errands import Where

if TYPE_CHECKING:
    from coordinator.client import Client

logger = logging.getLogger(__name__)

BUDGET = 0.005  # seconds of a tick in which messages are taken
TICK, IDLE_TICK = 0.05, 0.25  # seconds between two ticks: while something is going on, and while only watching
REDRAW = 0.2  # seconds between two redraws of our panels: drawing costs more than what is drawn


state = watching.Farm()
animation: Animation | None = None  # the one that a window gathers
upload: tuple[int, int] | None = None  # bytes done and in all of a job that is being sent
note: str = ""  # what happened last
own_master: str = ""  # the pairing line of the master that this Blender's render window is
_messages: queue.SimpleQueue[tuple[Callable[[Any], None], Any]] = queue.SimpleQueue()
_errands: list[errands.Errand] = []
_watch: errands.Errand | None = None
_watched: Where | None = None  # whose farm `state` is
_sending: errands.Errand | None = None
_stale = False  # panels show what is no longer so
_redrawn = 0.0  # when they were last drawn anew
_on_change: list[Callable[[], None]] = []  # called before panels are drawn anew
_on_gone: list[Callable[[], None]] = []  # called when the animation's file is not open any more
_tickers: list[Callable[[], None]] = []  # called at each tick, until they take themselves off


def where(scene: Any) -> Where:
    """Where this scene's coordinator is."""
    stored = preferences.read()
    settings = scene.netrender
    if settings.mode == "MASTER" and own_master:
        return Where(own_master=own_master)
    online = bpy.app.online_access
    return Where(settings.address.strip(), settings.port, stored.pairing_line, stored.coordinator, online)


def cache() -> Path:
    """Where snapshots and frames are kept."""
    settings = preferences.read()
    frame_cache.limit = settings.cache_size
    return settings.cache_folder


def run(
    name: str, where: Where, work: Callable[[Client, errands.Tell], None], take: Callable[[Any], None]
) -> errands.Errand:
    """Do ``work`` on a thread; ``take`` gets what it tells, on the main thread, until it is cancelled."""

    def take_it(message: Any) -> None:
        if not errand.cancelled:
            take(message)

    errand = errands.Errand(name, where, work, teller(take_it))
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


def on_change(call: Callable[[], None]) -> None:
    """Call this, on the main thread, when there is something new to draw."""
    _on_change.append(call)


def no_more_changes(call: Callable[[], None]) -> None:
    if call in _on_change:
        _on_change.remove(call)


def send(where: Where, work: Callable[[Client, errands.Tell], None], take: Callable[[Any], None]) -> None:
    """Send a job, which ``upload`` tells about. Raises UsageError if another is being sent."""
    global _sending, upload, note
    check_not_sending()
    upload, note = (0, 0), ""
    _sending = run("send", where, work, take)


def take_over(sending: errands.Errand, so_far: tuple[int, int]) -> None:
    """Show how far something is sent that was begun elsewhere, unless something else is shown."""
    global _sending, upload
    _errands.append(sending)
    if _sending is None or not _sending.alive:
        _sending, upload = sending, so_far


def check_not_sending() -> None:
    """Raises UsageError."""
    if _sending is not None and _sending.alive:
        raise farm.errors.UsageError("another job is being sent: wait for its end, or cancel it")


def stop_sending() -> None:
    """What is there of the job stays with the coordinator, which waits for the rest."""
    global _sending, upload, note
    if _sending is not None:
        _sending.cancel()
        _sending, upload, note = None, None, "Sending was cancelled"
        redraw()


def watch(where: Where) -> None:
    """Keep ``state`` as the farm is, from now on."""
    global _watch, _watched
    stop_watching()
    _watched = where
    state.line = "Connecting"
    _watch = run("watch", where, watching.follow, _take_news)


def _take_news(message: Any) -> None:
    global _watch
    state.take(message)
    if isinstance(message, errands.Broke):
        _watch = None  # it never was there, or refuses us: to be tried again by the user alone


def stop_watching() -> None:
    global _watch
    if _watch is not None:
        _watch.cancel()
        _watch = None
    state.clear()
    redraw()


def watch_own_master(started: Any) -> None:
    """Show the farm of the master that is being started in this Blender, from this scene, when it is there."""
    owner, name = open_file.Owner(started), started.name

    def look() -> None:
        scene = owner.scene(name)
        if own_master and scene is not None:
            watch(where(scene))
        if own_master or scene is None or not bpy.app.is_job_running("RENDER"):
            no_more_ticks(look)

    each_tick(look)


def is_watching() -> bool:
    return _watch is not None


def watch_again() -> None:
    """Show the farm of the scene that is open now, if it is another one."""
    scene = bpy.context.scene
    if is_watching() and scene is not None and where(scene) != _watched:
        watch(where(scene))


def begin(make: Callable[[errands.Tell], Animation]) -> None:
    """Start an animation that the timer carries on. Raises what ``make`` raises."""
    global animation
    made: Animation | None = None

    def told(message: Any) -> None:
        if made is not None and made is animation:
            _to_animation(lambda running: running.take(message))
        elif made is not None and made.heir is not None:
            made.heir(message)

    animation = made = make(teller(told))
    each_tick(_carry_on)


def _carry_on() -> None:
    _to_animation(Animation.carry_on)
    if animation is not None and animation.left and not animation.owner.is_here:
        for call in _on_gone:  # nobody told us that another file was opened
            call()


def on_gone(call: Callable[[], None]) -> None:
    """Call this when the file of the animation is not open any more."""
    _on_gone.append(call)


def no_more_gone(call: Callable[[], None]) -> None:
    if call in _on_gone:
        _on_gone.remove(call)


def _to_animation(do: Callable[[Animation], None]) -> None:
    """A defect in it ends it: the user hears of it, and need not wait for frames that nobody writes."""
    if animation is None:
        return
    try:
        do(animation)
    except Exception as error:
        logger.exception("the animation")
        animation.stop(f"{type(error).__name__}: {error}")  # what it was writing is put back at the next tick


def over() -> bool:
    """Whether the animation is at its end, its last frame written."""
    return animation is None or (animation.over and animation.writing is None)


def interrupt() -> None:
    """The user has enough: a job that this animation sent is cancelled, another one goes on without us."""
    if animation is None:
        return
    jobs, was_ours = list(animation.jobs), animation.sent
    end = "is cancelled" if was_ours else "goes on"
    animation.stop(f"interrupted; job {animation.job} {end}" if jobs else "interrupted")
    if was_ours:
        run("cancel", animation.where, lambda client, tell: _cancel(client, jobs), lambda message: None)


def _cancel(client: Client, jobs: list[str]) -> None:
    for job in jobs:
        client.command(job, "cancel")


def end() -> None:
    """After it is over."""
    global animation
    no_more_ticks(_carry_on)
    if animation is not None:
        # It waits for a slave to say goodbye, and removes files: nothing for the thread that draws.
        threading.Thread(target=animation.close, name="netrender close").start()
    animation = None


def start_timer() -> None:
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


def _tick() -> float | None:
    return turn.take(_work)


def _work() -> float | None:
    """What the one timer does. Ends itself when nobody is left to hear."""
    global _stale, _redrawn
    _stale |= drain()
    for call in _tickers.copy():
        try:
            call()
        except Exception:  # or Blender drops the timer, and with it all that the others wait for
            logger.exception("a part of this Blender's session")
            no_more_ticks(call)
    _errands[:] = [errand for errand in _errands if errand.alive]
    if _stale and time.monotonic() - _redrawn >= REDRAW:
        _stale, _redrawn = False, time.monotonic()
        redraw()
    if not (_errands or _tickers or _stale) and _messages.empty():
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
        try:
            take_it(message)
        except Exception:  # the next one may be the end that somebody waits for
            logger.exception("%s", type(message).__name__)
    return found


def redraw() -> None:
    """The areas where our panels are."""
    for call in _on_change:
        call()
    manager: Any = bpy.context.window_manager
    for window in manager.windows:
        for area in window.screen.areas:
            if area.type == "PROPERTIES":
                area.tag_redraw()


def register() -> None:
    """Nothing starts by itself."""


def unregister() -> None:
    """Everything ends, threads too."""
    global animation, own_master
    stop_watching()
    stop_sending()
    if animation is not None:
        animation.stop()
        animation.close()
        animation = None
    for errand in _errands:
        errand.cancel()
    _errands.clear()
    _tickers.clear()
    _on_change.clear()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
