"""Every difference between Blender 4.2 and 5.2 that we know of, and no branch on ``bpy.app.version`` anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import bpy

VERSION: tuple[int, ...] = tuple(bpy.app.version)
VERSION_TEXT = ".".join(map(str, VERSION))

# 4.2 to 4.5 call the rewritten EEVEE by another name than 2.80 to 4.1 and 5.0 and later.
EEVEE = "BLENDER_EEVEE" if VERSION >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
_EEVEES = frozenset({"BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"})

BASE_ENGINE: Any = bpy.types.RenderEngine


def engines() -> list[str]:
    """Identifiers of the render engines of this Blender. (The RNA enum lists only one of them.)"""
    found = {EEVEE, "BLENDER_WORKBENCH"}
    unseen: list[Any] = list(bpy.types.RenderEngine.__subclasses__())
    while unseen:
        cls = unseen.pop()
        unseen += cls.__subclasses__()
        if cls.is_registered and getattr(cls, "bl_idname", None):
            found.add(cls.bl_idname)
    return sorted(found)


def engine_class(name: str) -> Any:
    """The Python class of an engine; None for those that are part of Blender."""
    unseen = list(BASE_ENGINE.__subclasses__())
    while unseen:
        cls = unseen.pop()
        unseen += cls.__subclasses__()
        if getattr(cls, "is_registered", False) and getattr(cls, "bl_idname", None) == name:
            return cls
    return None


# Passes that have another name since 5.0: the new one, and the one before.
_OLD_PASS_NAMES = {
    "Diffuse Direct": "DiffDir",
    "Diffuse Color": "DiffCol",
    "Glossy Direct": "GlossDir",
    "Glossy Color": "GlossCol",
    "Volume Direct": "VolumeDir",
    "Emission": "Emit",
    "Environment": "Env",
    "Ambient Occlusion": "AO",
    "Transparent": "Transp",
}


def pass_name(name: str) -> str:
    """What this Blender calls the pass that 5.0 calls ``name``."""
    return name if VERSION >= (5, 0, 0) else _OLD_PASS_NAMES.get(name, name)


def engine_name(name: str) -> str:
    """The name that this Blender has for an engine that another version named."""
    return EEVEE if name in _EEVEES else name


def has_denoiser() -> bool:
    """Whether Cycles was built with OpenImageDenoise. Debian leaves it out: its Cycles then keeps the noise."""
    try:
        import _cycles
    except ImportError:
        return False
    return bool(_cycles.with_openimagedenoise)


def has_fluids() -> bool:
    """Whether Mantaflow works. As a module of Python, 4.5 and 5.0 abort the process as soon as they meet a domain."""
    return not getattr(bpy.app, "module", False)


def set_multilayer(settings: Any) -> None:
    """Make an ImageFormatSettings a multilayer EXR."""
    if VERSION >= (5, 0, 0):
        settings.media_type = "MULTI_LAYER_IMAGE"  # or the file format below is not among the choices
    settings.file_format = "OPEN_EXR_MULTILAYER"


def literal_path(path: str) -> str:
    """An output path that means just itself: 4.5 began to fill in ``{variables}``."""
    return path.replace("{", "{{").replace("}", "}}") if VERSION >= (4, 5, 0) else path


def path_from(path: str, blend: str) -> str:
    """What an output path means in the file ``blend``: without what depends on the file's place and name."""
    folder, name = literal_path(str(Path(blend).parent)), literal_path(Path(blend).stem)
    found = f"{folder}/{path[2:]}" if path.startswith("//") else path
    if VERSION >= (4, 5, 0):
        found = found.replace("{blend_dir}", folder).replace("{blend_name}", name)
    return found


def file_output_property(node: Any) -> str:
    """The name of the property with the folder of a File Output node."""
    return "directory" if VERSION >= (5, 0, 0) else "base_path"


def animated_paths(datablock: Any) -> Iterator[str]:
    """RNA paths of the datablock that an action or a driver changes."""
    data = datablock.animation_data
    if data is None:
        return
    yield from (curve.data_path for curve in data.drivers)
    actions = {data.action} | {strip.action for track in data.nla_tracks for strip in track.strips}
    for action in actions - {None}:
        yield from (curve.data_path for curve in _curves(action))


def _curves(action: Any) -> Iterator[Any]:
    if VERSION < (4, 4, 0):
        yield from action.fcurves
        return
    # Layered actions: `action.fcurves` sees only the first slot in 4.4 and 4.5, and is gone in 5.0.
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                yield from bag.fcurves


def sequencer_strips(editor: Any) -> Any:
    """All strips of a sequencer, in meta strips too."""
    return editor.strips_all if VERSION >= (4, 4, 0) else editor.sequences_all


def strips(holder: Any) -> Any:
    """The strips of a sequencer, or those in a meta strip."""
    return holder.strips if hasattr(holder, "strips") else holder.sequences  # before 4.4


class StripTimes(NamedTuple):
    """Where a strip is, in frames of the sequencer."""

    start: int  # of its content, which may be cut off
    length: int  # of its content
    first: int  # shown
    end: int  # not shown any more
    trim: int  # frames cut off its content for good


def strip_times(strip: Any) -> StripTimes:
    """The same under the names that Blender has for it."""
    if VERSION >= (5, 2, 0):
        return StripTimes(
            int(strip.content_start),
            strip.content_duration,
            strip.left_handle,
            strip.right_handle,
            strip.content_trim_start,
        )
    return StripTimes(
        int(strip.frame_start),
        strip.frame_duration,
        strip.frame_final_start,
        strip.frame_final_end,
        strip.animation_offset_start,
    )


def compositor(scene: Any) -> Any:
    """The scene's compositor node tree, or None."""
    if VERSION >= (5, 0, 0):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def file_owners() -> dict[str, Any]:
    """Which datablock refers to a path, for a better message. Empty before 4.4, where Blender cannot tell."""
    if not hasattr(bpy.data, "file_path_map"):
        return {}
    owners = bpy.data.file_path_map(include_libraries=True)
    return {path: owner for owner, paths in owners.items() for path in paths}


def node_trees() -> Iterator[tuple[Any, Any]]:
    """Every tree of nodes that a render evaluates, and the datablock that it belongs to."""
    for collection in ("materials", "worlds", "lights", "textures", "linestyles"):
        for owner in getattr(bpy.data, collection):
            if owner.node_tree is not None:
                yield owner, owner.node_tree
    for group in bpy.data.node_groups:
        yield group, group


class PathInput(NamedTuple):
    """Where the value of an input is."""

    holder: Any
    attribute: str
    is_item: bool  # holder[attribute] instead of holder.attribute


def path_inputs(modifier: Any) -> Iterator[PathInput]:
    """The inputs of a Geometry Nodes modifier that are paths of files (since 4.5)."""
    if modifier.node_group is None:
        return
    for item in modifier.node_group.interface.items_tree:
        if item.item_type == "SOCKET" and item.in_out == "INPUT" and getattr(item, "subtype", "") == "FILE_PATH":
            if not hasattr(modifier, "properties"):
                yield PathInput(modifier, item.identifier, is_item=True)
            # Since 5.2 the modifier has no id-properties, but a struct for each input.
            elif (found := getattr(modifier.properties.inputs, item.identifier, None)) is not None:
                yield PathInput(found, "value", is_item=False)


def render_animation(first: int, last: int, step: int, *, scene: Any, window: bool) -> Any:
    """Render these frames of the scene through all of Blender's pipeline; in a window it only begins to.

    The scene's own range is kept where Blender can be told another (drivers may read it); before 5.0 the caller has to
    set and restore it.
    """
    options: Any = {"frame_start": first, "frame_end": last} if KEEPS_RANGE else {}
    how = ("INVOKE_DEFAULT",) if window else ("EXEC_DEFAULT",)
    return bpy.ops.render.render(*how, animation=True, scene=scene.name, **options)


KEEPS_RANGE = VERSION >= (5, 0, 0)


def renders_unsaved_images(engine: str) -> bool:
    """Whether a render shows what was painted on an image of a file and not saved. 5.0 does not, 5.2 does."""
    return engine != "CYCLES" or VERSION >= (5, 1, 0)


def save_image_copy(image: Any, path: str) -> None:
    """Write the pixels that Blender has in memory; the image stays as it is, unsaved changes and all."""
    rna: Any = bpy.types.Image.bl_rna
    if "save_copy" in rna.functions["save"].parameters:  # not in 4.2 and 4.3
        image.save(filepath=path, save_copy=True)
        return
    # Saving under another name would make that the image's own, so another image is saved.
    width, height = image.size
    other: Any = bpy.data.images.new(image.name, width, height, alpha=image.channels == 4, float_buffer=image.is_float)
    try:
        other.colorspace_settings.name = image.colorspace_settings.name
        other.file_format = image.file_format
        other.pixels[:] = image.pixels[:]
        other.filepath_raw = path
        other.save()
    finally:
        bpy.data.images.remove(other)
