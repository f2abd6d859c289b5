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

BEGIN = "Blender begins to write frames"

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

seconds: dict[str, list[float]] = defaultdict(list)  # of each call, by what was called
_main = threading.main_thread().ident
_inside: list[float] = []  # for each call that goes on: seconds of the measured calls in it, which are not its own


def measured(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def measure(*arguments: Any, **options: Any) -> Any:
        if threading.get_ident() != _main:
            return call(*arguments, **options)
        _inside.append(0.0)
        began = time.perf_counter()
        try:
            return call(*arguments, **options)
        finally:
            took = time.perf_counter() - began
            seconds[name].append(took - _inside.pop())
            if _inside:
                _inside[-1] += took

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


def take() -> dict[str, list[float]]:
    """What was measured since the last time."""
    taken = dict(seconds)
    seconds.clear()
    return taken
