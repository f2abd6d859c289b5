"""Which file this Blender has open, and whether a scene is still the one that something was begun for.

What comes later (a frame, an answer, a tick) gets its scene here: another file may have a scene of the same name, and
so may this one when a scene was removed. Blender numbers all data-blocks of a session; undoing and saving keep the
number, opening a file gives new ones.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import turn

logger = logging.getLogger(__name__)

_owners: weakref.WeakSet[Owner] = weakref.WeakSet()
_before: list[Callable[[], None]] = []  # called when another file is about to be opened
_after: list[Callable[[], None]] = []  # called when one has been opened


class Owner:
    """The file that is open now, and its scenes, for which something is begun. To be asked on the main thread."""

    def __init__(self, *scenes: Any) -> None:
        """Of several scenes of one name, these are meant; else those that are not linked."""
        known = sorted(bpy.data.scenes, key=lambda scene: scene.library is None)
        self._numbers = {scene.name: scene.session_uid for scene in (*known, *scenes)}
        self._path = str(bpy.data.filepath)
        _owners.add(self)

    def scene(self, name: str) -> Any | None:
        """The scene, if it is there and called so."""
        number = self._numbers.get(name)
        return next((scene for scene in bpy.data.scenes if scene.session_uid == number and scene.name == name), None)

    @property
    def is_here(self) -> bool:
        """Whether it is the open file still: any of its scenes is there, under whatever name."""
        return any(scene.session_uid in self._numbers.values() for scene in bpy.data.scenes)

    @property
    def path(self) -> str:
        """Where the file is, or was when it was closed; empty if it was never saved."""
        self.note_path()
        return self._path

    def note_path(self) -> None:
        """Remember where it is, because it may have been saved under another name."""
        if self.is_here:
            self._path = str(bpy.data.filepath)

    @property
    def title(self) -> str:
        """The file's name for people."""
        return Path(self.path).name or "an unsaved file"


def before_another(call: Callable[[], None]) -> None:
    """Call this when another file is about to be opened, which may fail."""
    _before.append(call)


def after_another(call: Callable[[], None]) -> None:
    """Call this when another file, or the same anew, has been opened."""
    _after.append(call)


def forget(call: Callable[[], None]) -> None:
    """Call it no more."""
    for calls in (_before, _after):
        if call in calls:
            calls.remove(call)


@persistent
def _on_load_begins(*_: Any) -> None:
    for owner in list(_owners):
        owner.note_path()
    _call(_before)


@persistent
def _on_loaded(*_: Any) -> None:
    _call(_after)


def _call(calls: list[Callable[[], None]]) -> None:
    for call in calls.copy():
        try:
            turn.take(call)
        except Exception:  # the others have something to put in order, too
            logger.exception("another file")


def register() -> None:
    bpy.app.handlers.load_pre.append(_on_load_begins)
    bpy.app.handlers.load_post.append(_on_loaded)


def unregister() -> None:
    for handlers, handler in (
        (bpy.app.handlers.load_pre, _on_load_begins),
        (bpy.app.handlers.load_post, _on_loaded),
    ):
        if handler in handlers:  # a script may have cleared them
            handlers.remove(handler)
