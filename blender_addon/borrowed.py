"""Settings of a scene that are others for a while, and what they were before: kept with the scene itself.

So they are put back also in a file that was saved meanwhile, by the user, by Blender's own timer or when it is closed.
"""

from __future__ import annotations

import json
from typing import Any

import bpy

from . import open_file

# What may be borrowed, in the order in which it is put back: Blender keeps the end of a range behind its start.
_OWNERS = {"engine": "render", "filepath": "render", "frame_step": "", "frame_end": "", "frame_start": ""}


def borrow(scene: Any, **values: Any) -> None:
    """Set these, and remember what they were before they were borrowed first."""
    known = _read(scene)
    for name in values:
        known.setdefault(name, getattr(_owner(scene, name), name))
    scene.netrender.borrowed = json.dumps(known)
    for name, value in values.items():
        setattr(_owner(scene, name), name, value)


def give_back(scene: Any, *names: str) -> None:
    """Put these back as they were, if they are borrowed."""
    known = _read(scene)
    for name in _OWNERS:
        if name in names and name in known:
            setattr(_owner(scene, name), name, known.pop(name))
    scene.netrender.borrowed = json.dumps(known) if known else ""


def give_all_back() -> None:
    """In every scene, as after a file was opened that was saved while something was borrowed."""
    for scene in bpy.data.scenes:
        settings: Any = scene.netrender  # type: ignore[attr-defined]
        if settings.borrowed and scene.library is None:
            give_back(scene, *_OWNERS)


def _owner(scene: Any, name: str) -> Any:
    return scene.render if _OWNERS[name] else scene


def _read(scene: Any) -> dict[str, Any]:
    """What is borrowed. A file may hold anything: what Blender would not take is left out."""
    try:
        known = json.loads(scene.netrender.borrowed or "{}")
    except ValueError:
        return {}
    if not isinstance(known, dict):
        return {}
    kinds = {name: str if owner else int for name, owner in _OWNERS.items()}
    return {name: value for name, value in known.items() if name in kinds and type(value) is kinds[name]}


def register() -> None:
    open_file.after_another(give_all_back)


def unregister() -> None:
    open_file.forget(give_all_back)
    for scene in getattr(bpy.data, "scenes", ()):
        if scene.netrender.borrowed and scene.library is None:
            give_back(scene, *_OWNERS)
