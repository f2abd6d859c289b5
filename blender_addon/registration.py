"""What is registered, in which order, and that all of it goes again.

A module has ``CLASSES``, the Blender classes in the order in which they need each other, and, if there is more to do
(scene properties, handlers, timers, threads, keymaps), ``register()`` and ``unregister()``.
"""

import atexit
import importlib
from contextlib import ExitStack

import bpy

MODULES = (
    "preferences",
    "properties",
    "turn",
    "open_file",
    "borrowed",
    "session",
    "processes",
    "leaving",
    "engine",
    "operators",
    "lists",
    "playback",
    "panels",
    "command",
)

_undo = ExitStack()


def register() -> None:
    """All of it, or none if something fails."""
    # Our packages were just installed. Where a thread looked for one while the last disabling took it away, Python
    # remembers that there is none.
    importlib.invalidate_caches()
    with ExitStack() as undo:
        for name in MODULES:
            module = importlib.import_module(f"{__package__}.{name}")
            for cls in getattr(module, "CLASSES", ()):
                bpy.utils.register_class(cls)
                undo.callback(bpy.utils.unregister_class, cls)
            if hasattr(module, "register"):
                module.register()
            if hasattr(module, "unregister"):
                undo.callback(module.unregister)
        if not bpy.app.binary_path:
            # Blender as a Python module unregisters nothing at its end, and hangs there with an engine registered.
            atexit.register(unregister)
            undo.callback(atexit.unregister, unregister)
        _undo.push(undo.pop_all())


def unregister() -> None:
    """In exact reverse. What fails does not keep the rest from going."""
    _undo.close()
