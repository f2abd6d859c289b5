"""What "rendering" is for a Master and a Slave: a child process that runs until Esc, and a line about what it does.

Runs in ``engine.render``, on Blender's render thread; the render window stays blank.
"""

from __future__ import annotations

import queue
import re
from collections.abc import Callable
from typing import Any

from . import addresses, errands, farm, preferences, processes, session, watching

_LOG_HEAD = re.compile(r"^\S+ \S+ [A-Z]+ +[\w.]+: ")  # time, level and module: of no use to who looks at a window
LOOK = 0.1  # seconds between two looks at whether the user pressed Esc: Blender only tells when asked


def serve(engine: Any, scene: Any) -> None:
    """Be the scene's Master or Slave until the user has enough. Raises NetrenderError if the child ends by itself."""
    if engine.test_break():
        return  # Blender asks for each view layer
    if scene.netrender.mode == "MASTER":
        _master(engine, scene)
    else:
        _slave(engine, scene)


def master_arguments(scene: Any) -> list[str]:
    """Of ``netrender coordinator``."""
    settings = scene.netrender
    arguments = ["--port", str(settings.port)]
    return [*arguments, "--host", settings.address] if settings.address else arguments


def _master(engine: Any, scene: Any) -> None:
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    child = processes.coordinator(master_arguments(scene), on_end=lambda text: messages.put(_Died(text)))
    try:
        engine.update_stats("", "Netrender Master: starting")
        said = _said(engine, child)
        if said is None:
            return
        line = str(said.get("pairing_line") or said["url"])
        state = watching.Farm()
        errand = errands.Errand("watch", errands.Where(address=line), watching.follow, messages.put)
        session.own_master = line
        try:

            def told(message: Any) -> str:
                state.take(message)
                return f"Netrender Master: {line.partition('#')[0]}  {state.summary()}"  # no key on the screen

            _loop(engine, messages, told)
        finally:
            session.own_master = ""
            errand.cancel()
    finally:
        child.stop()


def _slave(engine: Any, scene: Any) -> None:
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    engine.update_stats("", "Netrender Slave: looking for a master")
    named = addresses.named(session.where(scene))
    address = addresses.pairing_line(named) if named is not None else ""  # empty: it finds the master by itself
    child = processes.slave(
        preferences.read().slave_arguments,
        address=address,
        on_log=messages.put,
        on_end=lambda text: messages.put(_Died(text)),
    )
    try:
        _loop(engine, messages, lambda line: f"Netrender Slave: {_LOG_HEAD.sub('', line)}")
    finally:
        child.stop()


class _Died(str):
    """How a child ended by itself."""


def _said(engine: Any, child: processes.Child) -> dict[str, Any] | None:
    """What the child said of itself when it was ready; None if the user did not wait for that."""
    while not engine.test_break():
        try:
            return child.said.result(LOOK)
        except TimeoutError:
            continue
    return None


def _loop(engine: Any, messages: queue.SimpleQueue[Any], line: Callable[[Any], str]) -> None:
    while not engine.test_break():
        try:
            message = messages.get(timeout=LOOK)
        except queue.Empty:
            continue
        if isinstance(message, _Died):
            raise farm.errors.NetrenderError(message)
        engine.update_stats("", line(message))
