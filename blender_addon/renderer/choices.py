"""What of the open .blend is rendered: the scene, the engine and the view layers that a job names."""

from __future__ import annotations

from typing import Any

import bpy

from .. import compat
from .channel import Failure, bad_scene


def choose_scene(name: str | None) -> Any:
    """The scene of that name, or the one that was active when the file was saved. Raises Failure."""
    if name:
        return _scene_named(name)
    check_name(bpy.context.scene)
    return bpy.context.scene


def check_name(scene: Any) -> None:
    """Raises Failure if a job, which has nothing but the scene's name, would render another scene."""
    if _scene_named(scene.name) != scene:
        raise _ambiguous(scene.name)


def _scene_named(name: str) -> Any:
    """The .blend's own scene, as Blender understands a name, or a linked one if no other has the name."""
    named = _scenes_named(name)
    if not named:
        raise bad_scene(f"no scene {name!r}; the file has {_listed(bpy.data.scenes.keys())}")
    meant = [scene for scene in named if scene.library is None] or named
    # The operator that renders takes a name too, and of that the first scene in this order.
    if len(meant) > 1 or meant[0] != named[0]:
        raise _ambiguous(name)
    return meant[0]


def _scenes_named(name: str) -> list[Any]:
    return [scene for scene in bpy.data.scenes if scene.name == name]


def _ambiguous(name: str) -> Failure:
    found = [scene.library for scene in _scenes_named(name)]
    places = ", ".join(f"in the library {library.filepath}" if library else "in the file itself" for library in found)
    return bad_scene(
        f"{len(found)} scenes are called {name!r} ({places}), and a job names its scene by that alone: "
        "rename one of them"
    )


def choose_engine(scene: Any, name: str | None) -> str:
    """The engine that renders: the wanted one, or the scene's own. Raises Failure."""
    engine = compat.engine_name(name or scene.render.engine)
    if engine not in compat.engines():
        raise bad_scene(
            f"no render engine {engine!r}; Blender {compat.VERSION_TEXT} here has {_listed(compat.engines())}"
        )
    return engine


def choose_layers(scene: Any, names: list[str]) -> list[Any]:
    """The view layers that render. Raises Failure."""
    for name in names:
        if name not in scene.view_layers:
            raise bad_scene(
                f"no view layer {name!r} in scene {scene.name!r}; it has {_listed(scene.view_layers.keys())}"
            )
    layers = [layer for layer in scene.view_layers if (layer.name in names if names else layer.use)]
    if not layers:
        raise bad_scene(f"no view layer of scene {scene.name!r} is switched on for rendering; switch one on")
    return layers


def has_camera(scene: Any) -> bool:
    """Whether anything renders: the scene's camera, or one that a timeline marker switches to."""
    return scene.camera is not None or any(marker.camera is not None for marker in scene.timeline_markers)


def needs_denoiser(scene: Any, engine: str, layers: list[Any]) -> bool:
    """Whether Cycles denoises; without a denoiser it would say nothing and leave the noise."""
    if engine != "CYCLES" or not scene.cycles.use_denoising:
        return False
    return any(layer.cycles.use_denoising for layer in layers)


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in names)
