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

METHODS = ("draw", "draw_header_preset", "draw_item", "modal", "invoke", "update_render_passes", "render")

seconds: dict[str, list[float]] = defaultdict(list)  # of each call, by what was called
_main = threading.main_thread().ident
_deep = 0  # callbacks inside each other are counted once, as the outermost


def measured(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def measure(*arguments: Any, **options: Any) -> Any:
        global _deep
        if threading.get_ident() != _main or _deep:
            return call(*arguments, **options)
        _deep += 1
        began = time.perf_counter()
        try:
            return call(*arguments, **options)
        finally:
            seconds[name].append(time.perf_counter() - began)
            _deep -= 1

    return measure


def install(package: str) -> None:
    """Before anything of it runs."""

    def module(name: str) -> Any:
        return sys.modules[f"{package}.{name}"]

    module("session")._tick = measured("timer", module("session")._tick)
    module("playback")._tick = measured("playback's timer", module("playback")._tick)
    for name in ("panels", "lists", "operators", "engine"):
        for cls in module(name).CLASSES:
            for method in (
                "draw",
                "draw_header_preset",
                "draw_item",
                "modal",
                "invoke",
                "update_render_passes",
                "render",
            ):
                if method in vars(cls) or (method == "modal" and hasattr(cls, method)):
                    setattr(cls, method, measured(f"{kind(cls)} {method}", getattr(cls, method)))


def kind(cls: Any) -> str:
    _, what, name = cls.__name__.split("_", 2) if cls.__name__.count("_") >= 2 else ("", "engine", cls.__name__)
    return {"PT": "panel", "UL": "list", "OT": "operator"}.get(what, what) + f" {name}"


def take() -> dict[str, list[float]]:
    """What was measured since the last time."""
    taken = dict(seconds)
    seconds.clear()
    return taken
