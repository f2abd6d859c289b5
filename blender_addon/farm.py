"""The one door to ``coordinator``: a sub-package inside the extension, a neighbour in a checkout.

``farm.client.Client``, ``farm.errors.UnreachableError`` ...: a module is imported when it is first asked for, so that
Blender starts no later for having the extension.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coordinator import (
        __version__,
        cli,
        client,
        config,
        constants,
        discovery,
        errors,
        gathering,
        interfaces,
        launcher,
        renderer,
        submission,
    )
    from coordinator.client import downloads, uploads
    from coordinator.protocol import codec, frames, jobs, limits, messages, states
    from coordinator.renderer import replies

__all__ = [
    "__version__",
    "cli",
    "client",
    "codec",
    "config",
    "constants",
    "discovery",
    "downloads",
    "errors",
    "frames",
    "gathering",
    "interfaces",
    "jobs",
    "launcher",
    "limits",
    "messages",
    "renderer",
    "replies",
    "states",
    "submission",
    "uploads",
]

_INSIDE = (Path(__file__).parent / "coordinator").is_dir()
_ROOT = f"{__package__}.coordinator" if _INSIDE else "coordinator"
_FOLDERS = {
    "downloads": "client",
    "uploads": "client",
    "replies": "renderer",
    **dict.fromkeys(("codec", "frames", "jobs", "limits", "messages", "states"), "protocol"),
}


def __getattr__(name: str) -> "ModuleType | str":
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; add it to the door")
    if name == "__version__":
        return str(importlib.import_module(_ROOT).__version__)
    return importlib.import_module(".".join(filter(None, [_ROOT, _FOLDERS.get(name), name])))
