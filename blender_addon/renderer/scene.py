"""Opens a .blend and makes it render raw results: what Cycles or EEVEE computed, before compositing and sequencing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from .. import compat
from . import blend_file, devices, osl, paths
from .channel import Failure, bad_scene, unsuitable
from .choices import choose_engine, choose_layers, choose_scene, has_camera

# Cycles settings that may be animated although the data persists between frames. The others (the number of samples, for
# one) keep the value of an earlier frame, so that a frame would depend on which one was rendered before it.
_ANIMATABLE = frozenset({"cycles.seed", "cycles.film_exposure"})


@dataclass(frozen=True)
class Settings:
    """Where the render differs from what the .blend says; the fields of the command ``open``."""

    scene: str | None = None
    engine: str | None = None
    view_layers: list[str] = field(default_factory=list)  # only these; empty for those that the scene renders
    samples: int | None = None
    percentage: int | None = None
    threads: int | None = None  # 0 or None for as many as the machine has
    mapped: list[dict[str, str]] = field(default_factory=list)  # paths to set: "blend", "stored", "path"
    inside: list[str] = field(default_factory=list)  # the only folders to read from; empty for no such limit


@dataclass(frozen=True)
class Machine:
    """What holds for every scene on this machine: its owner said so when the slave was started."""

    devices: tuple[str, ...] = ()  # that Cycles renders on; empty for what the scene and Blender's preferences say
    allow_scripts: bool = False  # run what is inside a .blend: registered texts, drivers, style modules


@dataclass(frozen=True)
class OpenScene:
    """A scene that is ready to render."""

    scene: Any  # bpy.types.Scene
    name: str  # of the .blend, in the job's own tree
    stage: Any  # the empty scene in the window; see `_empty_stage`
    passes: int  # times that the sample count starts again in a frame: once a view layer and view


def open_blend(blend: str, *, allow_scripts: bool = False) -> None:
    """Open the file, with its scripts disabled unless they are allowed. Raises Failure."""
    path = Path(blend)
    blend_file.check(path)
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False, use_scripts=allow_scripts)
    except RuntimeError as error:
        raise bad_scene(
            f"Blender {compat.VERSION_TEXT} cannot open {path}: it is damaged, incomplete, or from a newer Blender "
            f"({' '.join(str(error).split())})"
        ) from error
    blend_file.check_version(path, (bpy.data.version[0], bpy.data.version[1]))


def _engine_here(scene: Any, name: str | None) -> str:
    """The engine that the job names, if this Blender has it: another one may. Raises Failure."""
    try:
        return choose_engine(scene, name)
    except Failure as failure:
        raise unsuitable(failure.message) from failure


def open_scene(blend: str, settings: Settings, machine: Machine) -> OpenScene:
    """Open the .blend and set it up. Raises Failure."""
    open_blend(blend, allow_scripts=machine.allow_scripts)
    paths.remap(settings.mapped)
    paths.confine(settings.inside)
    scene = choose_scene(settings.scene)
    engine = _engine_here(scene, settings.engine)
    layers = choose_layers(scene, settings.view_layers)
    if not has_camera(scene):
        raise bad_scene(f"scene {scene.name!r} has no camera; add one, or choose another scene")
    _check_fluids(scene)
    scene.render.engine = engine
    for layer in scene.view_layers:
        layer.use = layer in layers
    _choose_quality(scene, settings)
    _raw_output(scene)
    if engine == "CYCLES":
        devices.use(scene, machine.devices)
        osl.compile_files()
    if not machine.allow_scripts:
        _no_style_scripts()
    scene.render.use_persistent_data = _may_persist(scene, engine, layers)
    views = sum(view.use for view in scene.render.views) if scene.render.use_multiview else 1
    name = _name_in_tree(blend, settings.inside)
    return OpenScene(scene=scene, name=name, stage=_empty_stage(), passes=len(layers) * max(1, views))


def _name_in_tree(blend: str, inside: list[str]) -> str:
    """What is told of the .blend to others; the first of the folders is the job's own tree."""
    path = Path(blend)
    tree = Path(inside[0]) if inside else path.parent
    return (path.relative_to(tree) if path.is_relative_to(tree) else Path(path.name)).as_posix()


def _check_fluids(scene: Any) -> None:
    """Name what would otherwise end the process without a word about the scene. Raises Failure."""
    if compat.has_fluids():
        return
    for thing in scene.objects:
        if any(modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN" for modifier in thing.modifiers):
            raise unsuitable(
                f"object {thing.name!r} is a fluid's domain, which Blender as a Python module (bpy) cannot evaluate: "
                "start the slave with --blender PATH"
            )


def _choose_quality(scene: Any, settings: Settings) -> None:
    render = scene.render
    if settings.samples is not None:
        scene.eevee.taa_render_samples = settings.samples
        if hasattr(scene, "cycles"):
            scene.cycles.samples = settings.samples
    if settings.percentage is not None:
        render.resolution_percentage = settings.percentage
    render.threads_mode = "FIXED" if settings.threads else "AUTO"
    if settings.threads:
        render.threads = settings.threads


def _raw_output(scene: Any) -> None:
    """Every view layer, pass and view in one lossless file; nothing drawn over it or computed from it."""
    render = scene.render
    render.use_compositing = False  # stops File Output nodes as well
    render.use_sequencer = False
    render.use_stamp = False
    render.use_overwrite = True
    render.use_placeholder = False
    render.use_file_extension = False  # the name is used as given
    image = render.image_settings
    compat.set_multilayer(image)
    image.color_mode = "RGBA"
    image.color_depth = "32"
    image.color_management = "FOLLOW_SCENE"  # or another linear colour space would be written
    image.exr_codec = "ZIP"
    image.use_preview = False
    image.views_format = "MULTIVIEW"


def _no_style_scripts() -> None:
    """Take Freestyle's style modules away: Blender 5.0 runs these Python scripts even where scripts are disabled.

    From every view layer of every scene, linked ones too, and whatever the mode is now: it can be animated.
    """
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            modules = layer.freestyle_settings.modules
            for module in list(modules):
                modules.remove(module)


def _may_persist(scene: Any, engine: str, layers: list[Any]) -> bool:
    """Whether to keep the engine's data between frames: the point of a warm renderer, but not where it is wrong."""
    if engine != "CYCLES":
        return True
    if scene.cycles.samples == 1 and len(layers) > 1:
        return False  # corrupts the heap, in 4.5 and 5.0
    animated = {path for path in compat.animated_paths(scene) if path.startswith("cycles.")}
    return animated <= _ANIMATABLE


def _empty_stage() -> Any:
    """Put an empty scene in the window.

    After each render Blender evaluates the scene in the window once more: twice the work for a heavy scene. It also
    writes what is animated back into the settings, so that the next frame would begin from the last one's.
    """
    stage = bpy.data.scenes.new("Netrender")
    window: Any = bpy.context.window
    window.scene = stage
    return stage
