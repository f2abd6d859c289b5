"""Every place in the open .blend that has the path of a file which rendering needs. To list them, and to set them.

Not here: what is packed or built in, and the media of the sequencer, as the renderer stops before sequencing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import bpy

from .. import compat

BUILTIN = "<builtin>"


class Shape(Enum):
    """What a path leads to."""

    FILE = auto()
    TILES = auto()
    """A set of tiles; the path has a token instead of the number."""
    SEQUENCE = auto()
    """Numbered files; the path is one of them."""
    FOLDER = auto()
    """Whatever is inside, at any depth."""
    OCEAN = auto()
    """A folder, of which only the numbered images of an ocean are meant."""


@dataclass(frozen=True)
class Reference:
    """One path."""

    kind: str
    name: str  # of the data-block, for messages
    owner: Any  # the data-block
    holder: Any  # what has the path: the data-block itself, a modifier, a node ...
    attribute: str
    shape: Shape = Shape.FILE
    needed: bool = True  # to render; False where nothing is lost without it
    is_item: bool = False  # holder[attribute] instead of holder.attribute

    @property
    def stored(self) -> str:
        """The path as the .blend has it."""
        value = self.holder.get(self.attribute, "") if self.is_item else getattr(self.holder, self.attribute, "")
        return value if isinstance(value, str) else ""

    @property
    def path(self) -> str:
        """Absolute."""
        return absolute(self.stored, self.library)

    @property
    def library(self) -> Any:
        """The library that has the path; None for the .blend itself, from where Blender shows libraries too."""
        return None if isinstance(self.owner, bpy.types.Library) else self.owner.library

    @property
    def blend(self) -> str:
        """The same as a file, absolute; empty for the .blend itself."""
        return absolute(self.library.filepath, None) if self.library else ""

    def set(self, path: str) -> None:
        """Make it lead elsewhere."""
        if self.is_item:
            self.holder[self.attribute] = path
            self.owner.update_tag()  # which Blender does by itself for what is no item
        else:
            setattr(self.holder, self.attribute, path)


def absolute(stored: str, library: Any) -> str:
    # Not resolved: a symbolic link counts as the file that the .blend names.
    return os.path.normpath(bpy.path.native_pathsep(bpy.path.abspath(stored, library=library)))


def references() -> Iterator[Reference]:
    """All of them that are not empty, libraries first."""
    for reference in (*_libraries(), *_datablocks(), *_objects(), *_nodes(), *_rigid_bodies(), *_cameras()):
        if reference.stored and reference.stored != BUILTIN:
            yield reference


def _libraries() -> Iterator[Reference]:
    for library in bpy.data.libraries:
        if not (_is_packed(library) or getattr(library, "is_archive", False)):
            yield Reference("library", library.name, library, library, "filepath")


def _datablocks() -> Iterator[Reference]:
    for image in bpy.data.images:
        if image.source in _IMAGES and not _is_packed(image):
            yield _of(image, "image", shape=_IMAGES[image.source])
    for clip in bpy.data.movieclips:
        yield _of(clip, "movie clip", shape=Shape.SEQUENCE if clip.source == "SEQUENCE" else Shape.FILE)
    for volume in bpy.data.volumes:
        if not _is_packed(volume):
            yield _of(volume, "volume", shape=Shape.SEQUENCE if volume.is_sequence else Shape.FILE)
    for cache in bpy.data.cache_files:
        yield _of(cache, "cache file", shape=Shape.SEQUENCE if cache.is_sequence else Shape.FILE)
        for layer in cache.layers:
            yield Reference("cache file", cache.name, cache, layer, "filepath")
    for font in bpy.data.fonts:
        if not _is_packed(font):
            yield _of(font, "font")
    for sound in bpy.data.sounds:
        if not _is_packed(sound):
            yield Reference("sound", sound.name, sound, sound, "filepath", needed=False)
    read = texts_read()
    for text in bpy.data.texts:
        if not text.is_in_memory:
            yield Reference("text", text.name, text, text, "filepath", needed=text in read)


_IMAGES = {"FILE": Shape.FILE, "MOVIE": Shape.FILE, "SEQUENCE": Shape.SEQUENCE, "TILED": Shape.TILES}


def _of(block: Any, kind: str, shape: Shape = Shape.FILE) -> Reference:
    used = block.users > (1 if block.use_fake_user else 0)
    return Reference(kind, block.name, block, block, "filepath", shape, needed=used)


def _is_packed(block: Any) -> bool:
    return getattr(block, "packed_file", None) is not None or bool(getattr(block, "packed_files", ()))


def texts_read() -> set[Any]:
    """The texts that a render reads: shaders and lamps' profiles; scripts are disabled."""
    nodes = [node for _, tree in compat.node_trees() for node in tree.nodes]
    read = {getattr(node, attribute, None) for node in nodes for attribute in ("script", "ies")}
    read |= {getattr(camera, "custom_shader", None) for camera in bpy.data.cameras}
    return read - {None}


def _objects() -> Iterator[Reference]:
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            yield from _modifier(thing, modifier)
        for system in thing.particle_systems:
            yield from _point_cache(thing, f"{thing.name}: {system.name}", system.point_cache)


def _modifier(thing: Any, modifier: Any) -> Iterator[Reference]:
    name = f"{thing.name}: {modifier.name}"

    def of(kind: str, holder: Any, attribute: str, shape: Shape = Shape.FILE, needed: bool = True) -> Reference:
        return Reference(kind, name, thing, holder, attribute, shape, needed)

    if modifier.type == "MESH_CACHE":
        yield of("mesh cache", modifier, "filepath", needed=modifier.show_render)
    elif modifier.type == "MULTIRES" and modifier.is_external:
        yield of("multires", modifier, "filepath", needed=modifier.show_render)
    elif modifier.type == "OCEAN" and modifier.is_cached:
        yield of("ocean", modifier, "filepath", Shape.OCEAN, needed=modifier.show_render)
    elif modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
        baked = any(getattr(modifier.domain_settings, f"has_cache_baked_{what}") for what in ("data", "mesh", "any"))
        yield of("fluid", modifier.domain_settings, "cache_directory", Shape.FOLDER, needed=baked)
    elif modifier.type == "NODES":
        yield of("geometry nodes bake", modifier, "bake_directory", Shape.FOLDER, needed=False)
        for bake in modifier.bakes:
            if bake.use_custom_path:
                yield of("geometry nodes bake", bake, "directory", Shape.FOLDER)
        for each in compat.path_inputs(modifier):
            yield Reference("geometry nodes", name, thing, each.holder, each.attribute, is_item=each.is_item)
    elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings is not None:
        for surface in modifier.canvas_settings.canvas_surfaces:
            yield from _point_cache(thing, name, surface.point_cache)
    elif modifier.type in ("CLOTH", "SOFT_BODY"):
        yield from _point_cache(thing, name, modifier.point_cache)


def _point_cache(owner: Any, name: str, cache: Any) -> Iterator[Reference]:
    """A cache from another place; those beside the .blend need no path."""
    if cache is not None and cache.use_external:
        yield Reference("point cache", name, owner, cache, "filepath", Shape.FOLDER)


def _rigid_bodies() -> Iterator[Reference]:
    for scene in bpy.data.scenes:
        if scene.rigidbody_world is not None:
            yield from _point_cache(scene, f"{scene.name}: rigid bodies", scene.rigidbody_world.point_cache)


def _cameras() -> Iterator[Reference]:
    for camera in bpy.data.cameras:
        if getattr(camera, "custom_mode", "") == "EXTERNAL":  # cameras of one's own: since 5.0
            yield Reference("OSL", camera.name, camera, camera, "custom_filepath")


def _nodes() -> Iterator[Reference]:
    for owner, tree in compat.node_trees():
        for node in tree.nodes:
            if node.bl_idname == "ShaderNodeTexIES" and node.mode == "EXTERNAL":
                yield Reference("IES", owner.name, owner, node, "filepath")
            elif node.bl_idname == "ShaderNodeScript" and node.mode == "EXTERNAL":
                yield Reference("OSL", owner.name, owner, node, "filepath")
            for socket in _path_sockets(node):
                yield Reference("geometry nodes", owner.name, owner, socket, "default_value")


def _path_sockets(node: Any) -> Iterable[Any]:
    imports = node.bl_idname.startswith("GeometryNodeImport")
    for socket in node.inputs:
        is_path = socket.bl_idname == "NodeSocketStringFilePath" or (imports and socket.type == "STRING")
        if is_path and not socket.is_linked and (socket.name == "Path" or not imports):
            yield socket
