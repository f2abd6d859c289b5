"""Runs in a Blender with a window: measures how long the extension's callbacks keep the main thread.

Everything of the extension that Blender calls there is wrapped: the timer, drawing, operators, the engine. What the
engine does on Blender's render thread stops nobody, and is not counted.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

BEGIN = "Blender begins a render"

# Blender counts a method's parameters, and gives it so many.
METHODS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "draw": lambda call: lambda self, context: call(self, context),
    "draw_header_preset": lambda call: lambda self, context: call(self, context),
    "draw_item": lambda call: lambda self, a, b, c, d, e, f, g: call(self, a, b, c, d, e, f, g),
    "modal": lambda call: lambda self, context, event: call(self, context, event),
    "invoke": lambda call: lambda self, context, event: call(self, context, event),
    "update_render_passes": lambda call: lambda self, scene, renderlayer: call(self, scene, renderlayer),
    "render": lambda call: lambda self, depsgraph: call(self, depsgraph),
}

Call = tuple[float, float]  # seconds by the clock, and of this processor's time

calls: dict[str, list[Call]] = defaultdict(list)  # by what was called
_main = threading.main_thread().ident
_inside: list[list[float]] = []  # for each call that goes on: both times of the measured calls in it, not its own


def measured(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def measure(*arguments: Any, **options: Any) -> Any:
        if threading.get_ident() != _main:
            return call(*arguments, **options)
        _inside.append([0.0, 0.0])
        began = time.perf_counter(), time.thread_time()
        try:
            return call(*arguments, **options)
        finally:
            took = time.perf_counter() - began[0], time.thread_time() - began[1]
            inner = _inside.pop()
            calls[name].append((took[0] - inner[0], took[1] - inner[1]))
            if _inside:
                _inside[-1][0] += took[0]
                _inside[-1][1] += took[1]

    return measure


def install(package: str) -> None:
    """Before anything of it runs."""

    def module(name: str) -> Any:
        return sys.modules[f"{package}.{name}"]

    module("session")._tick = measured("timer", module("session")._tick)
    module("playback")._tick = measured("playback's timer", module("playback")._tick)
    module("compat").render_animation = measured(BEGIN, module("compat").render_animation)
    for name in ("panels", "lists", "operators", "engine"):
        for cls in module(name).CLASSES:
            for method, like in METHODS.items():
                if method in vars(cls) or (method == "modal" and hasattr(cls, method)):
                    setattr(cls, method, like(measured(f"{kind(cls)} {method}", getattr(cls, method))))


def kind(cls: Any) -> str:
    _, what, name = cls.__name__.split("_", 2) if cls.__name__.count("_") >= 2 else ("", "engine", cls.__name__)
    return {"PT": "panel", "UL": "list", "OT": "operator"}.get(what, what) + f" {name}"


def take() -> dict[str, list[Call]]:
    """What was measured since the last time."""
    taken = dict(calls)
    calls.clear()
    return taken
