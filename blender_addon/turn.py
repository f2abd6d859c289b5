"""A turn on Blender's main thread in which our timers and handlers may change the open file.

Blender has one flag, for all threads, that says that Python may not write. It is set while a panel draws. Where a panel
begins to draw before an engine's Python begins, and ends before that ends, the flag stays set for good (seen with 4.3,
not with 5.2): from then on no timer and no handler writes, and a scene would keep what it has only while a render goes
on. While Blender asks a property for its value, the flag is lifted: so there we do our work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import bpy

_PROPERTY = "netrender_turn"
_works: list[Callable[[], None]] = []

T = TypeVar("T")


def take(work: Callable[[], T]) -> T:
    """Call ``work``, and return what it returns. Raises what it raises."""
    found: list[T] = []
    failed: list[Exception] = []

    def guarded() -> None:
        try:
            found.append(work())
        except Exception as error:  # Blender would print it, and go on
            failed.append(error)

    _works.append(guarded)
    manager: Any = bpy.context.window_manager
    getattr(manager, _PROPERTY, None)
    if guarded in _works:  # there is no such property: the extension is on its way out
        _works.remove(guarded)
        guarded()
    if failed:
        raise failed[0]
    return found[0]


def _value(_manager: Any) -> bool:
    if _works:
        _works.pop()()
    return False


def register() -> None:
    made: Any = bpy.props.BoolProperty  # its stubs say that it returns nothing
    setattr(bpy.types.WindowManager, _PROPERTY, made(get=_value, options={"HIDDEN", "SKIP_SAVE"}))


def unregister() -> None:
    if hasattr(bpy.types.WindowManager, _PROPERTY):
        delattr(bpy.types.WindowManager, _PROPERTY)
