"""Scenes that are rendered twice, on a farm and here, and must come out equal. Runs inside Blender."""

import argparse
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import addon_utils
import bpy

from tests import scenes

FRAMES = 3
NEW = bpy.app.version >= (5, 0, 0)

CASES: dict[str, Callable[[], Any]] = {}


def case(build: Callable[[], Any]) -> Callable[[], Any]:
    CASES[build.__name__] = build
    return build


# --- scenes ---


def plain(samples: int = 2) -> Any:
    """A cube that moves, AgX."""
    scenes.simple(argparse.Namespace(frames=FRAMES, width=64, height=36, samples=samples))
    return prepared(bpy.context.scene)


def prepared(scene: Any) -> Any:
    scene.view_settings.view_transform = "AgX"
    for name in ("date", "time", "render_time", "memory", "hostname"):  # what can never be the same twice
        setattr(scene.render, f"use_stamp_{name}", False)
    return scene


def film() -> Any:
    """The same with a compositor over three passes."""
    scene = plain()
    layer = scene.view_layers[0]
    layer.use_pass_diffuse_color = layer.use_pass_normal = True
    compositor(scene, ["Image", "Diffuse Color" if NEW else "DiffCol", "Normal"])
    return scene


def compositor(scene: Any, passes: list[str]) -> Any:
    """Half of each pass upon the first. Returns the node tree."""
    if NEW:
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Film", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        output = tree.nodes.new("NodeGroupOutput")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        output = tree.nodes.new("CompositorNodeComposite")
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene = scene
    mixed = layers.outputs[passes[0]]
    for name in passes[1:]:
        mix = tree.nodes.new("ShaderNodeMix" if NEW else "CompositorNodeMixRGB")
        if NEW:
            mix.data_type = "RGBA"
        mix.blend_type = "ADD"
        factor, one, other = (socket for socket in mix.inputs if socket.enabled)
        factor.default_value = 0.5
        tree.links.new(mixed, one)
        tree.links.new(layers.outputs[name], other)
        mixed = next(socket for socket in mix.outputs if socket.enabled)
    tree.links.new(mixed, output.inputs["Image"])
    return tree


def multilayer(scene: Any) -> Any:
    settings = scene.render.image_settings
    if NEW:
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    return scene


def every_pass(layer: Any) -> None:
    """All that any engine has, and an output of materials of each kind."""
    for owner in (layer, layer.eevee, layer.cycles):
        for name in (each.identifier for each in owner.bl_rna.properties):
            if name.startswith(("use_pass_", "pass_debug", "denoising_store")) and name != "use_pass_grease_pencil":
                setattr(owner, name, True)
    for name, kind in (("Tint", "COLOR"), ("Height", "VALUE")):
        output = layer.aovs.add()
        output.name, output.type = name, kind


def strips(scene: Any) -> Any:
    editor = scene.sequence_editor_create()
    return editor.strips if hasattr(editor, "strips") else editor.sequences


# --- the output's formats ---


@case
def png_16() -> Any:
    scene = film()
    scene.render.image_settings.color_depth = "16"
    return scene


@case
def jpeg() -> Any:
    scene = film()
    scene.render.image_settings.file_format = "JPEG"
    return scene


@case
def exr_multilayer() -> Any:
    return multilayer(film())


@case
def ffmpeg() -> Any:
    scene = film()
    if NEW:
        scene.render.image_settings.media_type = "VIDEO"
    scene.render.image_settings.file_format = "FFMPEG"
    scene.render.ffmpeg.format, scene.render.ffmpeg.codec = "MPEG4", "H264"
    return scene


# --- what is in a result ---


@case
def identity() -> Any:
    """Two layers, two views, every pass, Cryptomatte, outputs of materials, light groups, a border that crops."""
    scenes.identity(argparse.Namespace(frames=2, width=64, height=36, samples=2))
    scene = multilayer(prepared(bpy.context.scene))
    scene.render.image_settings.views_format = "MULTIVIEW"
    return scene


@case
def stereo() -> Any:
    """Two views through the compositor, one file each."""
    scene = film()
    scene.render.use_multiview = True
    scene.camera.data.stereo.interocular_distance = 0.5
    return scene


@case
def cryptomatte() -> Any:
    """A matte that the compositor picks by the names in the result's header."""
    scene = plain()
    scene.view_layers[0].use_pass_cryptomatte_object = True
    tree = compositor(scene, ["Image"])
    layers = next(node for node in tree.nodes if node.type == "R_LAYERS")
    matte = tree.nodes.new("CompositorNodeCryptomatteV2")
    matte.scene = scene
    matte.matte_id = "Cube"
    output = next(node for node in tree.nodes if node.type in ("COMPOSITE", "GROUP_OUTPUT"))
    tree.links.new(layers.outputs["Image"], matte.inputs["Image"])
    tree.links.new(matte.outputs["Matte"], output.inputs["Image"])
    return scene


@case
def border() -> Any:
    scene = film()
    render = scene.render
    render.use_border = True
    render.border_min_x, render.border_max_x, render.border_min_y, render.border_max_y = 0.13, 0.77, 0.21, 0.9
    return scene


@case
def cropped() -> Any:
    scene = border()
    scene.render.use_crop_to_border = True
    return scene


@case
def transparent() -> Any:
    scene = film()
    scene.render.film_transparent = True
    scene.render.image_settings.color_mode = "RGBA"
    return scene


@case
def percentage() -> Any:
    scene = film()
    scene.render.resolution_percentage = 55
    return scene


@case
def workbench() -> Any:
    scene = plain()
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.view_layers[0].use_pass_z = True
    return multilayer(scene)


@case
def eevee() -> Any:
    scene = plain()
    scene.render.engine = "BLENDER_EEVEE" if NEW else "BLENDER_EEVEE_NEXT"
    scene.eevee.taa_render_samples = 2
    every_pass(scene.view_layers[0])
    return multilayer(scene)


# --- what is made of it ---


@case
def file_output() -> Any:
    """The compositor writes files of its own."""
    scene = film()
    tree = scene.compositing_node_group if NEW else scene.node_tree
    layers = next(node for node in tree.nodes if node.type == "R_LAYERS")
    node = tree.nodes.new("CompositorNodeOutputFile")
    if NEW:
        node.file_output_items.new("RGBA", "normal")
        node.file_name = "extra"
    else:
        node.file_slots[0].path = "extra"
    tree.links.new(layers.outputs["Normal"], node.inputs[0])
    return scene


@case
def other_layers() -> Any:
    """The compositor mixes the layers of another scene."""
    scene = film()
    other: Any = prepared(bpy.data.scenes.new("Other"))
    other.render.resolution_x, other.render.resolution_y = 64, 36
    other.render.engine, other.cycles.samples, other.cycles.use_denoising = "CYCLES", 3, False
    other.camera, other.world = scene.camera, scene.world
    for thing in scene.objects:
        other.collection.objects.link(thing)
    scene.frame_end = 2
    tree = scene.compositing_node_group if NEW else scene.node_tree
    next(node for node in tree.nodes if node.type == "R_LAYERS").scene = other
    return scene


@case
def strip() -> Any:
    """Another scene is cut: the film as a strip that begins in its middle, a transparent colour over it."""
    scene = film()
    edit: Any = prepared(bpy.data.scenes.new("Edit"))
    edit.render.resolution_x, edit.render.resolution_y = 64, 36
    edit.frame_start, edit.frame_end = 11, 12
    bpy.context.window.scene = edit
    film_strip = strips(edit).new_scene("film", scene, 1, 10)
    if bpy.app.version >= (5, 2, 0):
        film_strip.left_handle_offset = 1
    else:
        film_strip.frame_offset_start = 1
    length = {"length": 20} if NEW else {"frame_end": 30}
    color = strips(edit).new_effect(name="color", type="COLOR", channel=2, frame_start=10, **length)
    color.color, color.blend_type, color.blend_alpha = (0.1, 0.4, 0.9), "ALPHA_OVER", 0.3
    return edit


@case
def persistent() -> Any:
    """Blender keeps the engine from frame to frame."""
    scene = plain()
    scene.render.use_persistent_data = True
    return scene


# --- which frames ---


@case
def unforeseen() -> Any:
    """Strips may show other frames than we expect, by retiming for one: those are fetched when Blender asks."""
    return strip()


@case
def stepped() -> Any:
    scene = plain()
    scene.frame_start, scene.frame_end, scene.frame_step = 0, 8, 3
    return scene


@case
def kept() -> Any:
    """Files that are there are not written again."""
    scene = plain()
    scene.render.use_overwrite = False
    scene.render.use_placeholder = True
    return scene


# --- twice ---


def twice(coordinator: str, folder: Path, names: list[str]) -> dict[str, str]:
    """Each case into FOLDER/CASE/network and FOLDER/CASE/local. The last job of each."""
    return {name: _twice(name, coordinator, folder / name) for name in names}


def _twice(name: str, coordinator: str, folder: Path) -> str:
    for where in ("network", "local"):
        scene = CASES[name]()
        enable()
        _send_output_to(scene, folder / where)
        if name == "kept":
            (folder / where / "0002.png").write_text("not a picture")
        if where == "local":
            bpy.ops.render.render(animation=True, scene=scene.name)
            continue
        before = _settings(scene)
        scene.netrender.address = coordinator
        shots = _module("shots")
        with mock.patch.object(shots, "_frame_inside", _wrong if name == "unforeseen" else shots._frame_inside):
            assert bpy.ops.netrender.animation() == {"FINISHED"}
        assert _settings(scene) == before, "the scene is as it was"
        job = scene.netrender.job
    return str(job)


def _wrong(shown: Any, *_: Any) -> int:
    return int(shown.frame_start)


def _module(name: str) -> Any:
    """Of the extension, under the name that it has here."""
    package = type(bpy.context.scene.netrender).__module__.rpartition(".")[0]
    return importlib.import_module(f"{package}.{name}")


def enable() -> None:
    """The extension, if it is installed, as starting a new file may switch it off; else the checkout."""
    if hasattr(bpy.types.Scene, "netrender"):
        return
    if importlib.util.find_spec("bl_ext.user_default.netrender"):
        addon_utils.enable("bl_ext.user_default.netrender")
    else:
        importlib.import_module("blender_addon").register()


def _settings(scene: Any) -> list[Any]:
    return [(each.render.engine, each.frame_start, each.frame_end, each.frame_step) for each in bpy.data.scenes]


def _send_output_to(scene: Any, folder: Path) -> None:
    folder.mkdir(parents=True)
    scene.render.filepath = f"{folder}/####"
    tree = getattr(scene, "compositing_node_group" if NEW else "node_tree", None)
    for node in tree.nodes if tree is not None else ():
        if node.type == "OUTPUT_FILE":
            setattr(node, "directory" if NEW else "base_path", f"{folder}/")
