"""Builds a scene that depends on files of every kind, each of which alone fills a tile of the picture.

``python scene.py FOLDER`` (or ``blender -b -P scene.py -- FOLDER``) makes FOLDER/film/scene.blend and what it needs,
and prints the tiles as JSON. Nothing of our own is used.
"""

import ctypes
import json
import math
import os
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

COLUMNS = 6
PIXELS = 12  # of a tile, each way
LAST = 4  # frames

Tile = Callable[[Any, Path], None]  # gets the empty at the tile's centre, and the folder for its files
TILES: dict[str, Tile] = {}


def tile(make: Tile) -> Tile:
    TILES[make.__name__] = make
    return make


# --- what tiles are made of ---


def add(name: str, data: Any, at: Any, scale: float = 1.0) -> Any:
    thing = bpy.data.objects.new(name, data)
    thing.location, thing.scale = at.location, (scale,) * 3
    bpy.context.scene.collection.objects.link(thing)
    return thing


def mesh(name: str, size: float = 0.9, segments: int = 1) -> Any:
    import bmesh  # only there once bpy is

    data = bpy.data.meshes.new(name)
    shape = bmesh.new()
    shape.loops.layers.uv.new("UVMap")
    bmesh.ops.create_grid(shape, x_segments=segments, y_segments=segments, size=size / 2, calc_uvs=True)
    shape.to_mesh(data)
    shape.free()
    return data


def glow(name: str) -> tuple[Any, Any, Any]:
    """A material that shines; its tree and its shader."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    output, shader = tree.nodes.new("ShaderNodeOutputMaterial"), tree.nodes.new("ShaderNodeEmission")
    tree.links.new(shader.outputs[0], output.inputs["Surface"])
    return material, tree, shader


def shining(name: str, data: Any, at: Any, scale: float = 1.0) -> Any:
    data.materials.append(glow(name)[0])
    return add(name, data, at, scale)


def picture(path: Path, color: tuple[float, float, float]) -> Path:
    """A PNG of four colours, so that its orientation shows too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("tmp", 4, 4)
    image.pixels[:] = [v for n in range(16) for v in (*(c * (n + 1) / 16 for c in color), 1.0)]
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def shown(name: str, at: Any, path: Path, stored: str = "", source: str = "FILE") -> Any:
    """A plane that shows the image; the texture's node."""
    image = bpy.data.images.load(str(path))
    image.name, image.source = name, source
    image.filepath = stored or bpy.path.relpath(str(path))
    data = mesh(name)
    material, tree, shader = glow(name)
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image, node.interpolation = image, "Closest"
    tree.links.new(node.outputs["Color"], shader.inputs["Color"])
    data.materials.append(material)
    add(name, data, at)
    return node


def run(operator: Any, thing: Any, **options: Any) -> None:
    with bpy.context.temp_override(object=thing, active_object=thing, selected_objects=[thing]):
        assert operator(**options) == {"FINISHED"}, operator


# --- images ---


@tile
def image(at: Any, folder: Path) -> None:
    shown("image", at, picture(folder / "a.png", (1, 0.2, 0.1)))


@tile
def image_with_an_absolute_path(at: Any, folder: Path) -> None:
    path = picture(folder.parent.parent / "elsewhere" / "b.png", (0.1, 1, 0.2))
    shown("absolute", at, path, str(path))


@tile
def image_one_folder_up(at: Any, folder: Path) -> None:
    shown("up", at, picture(folder.parent.parent / "shared" / "up.png", (0.1, 0.2, 1)), "//../shared/up.png")


@tile
def image_with_an_odd_name(at: Any, folder: Path) -> None:
    shown("odd", at, picture(folder / "wie bitte? grün: 木.png", (1, 1, 0.1)))


@tile
def images_whose_names_differ_in_case(at: Any, folder: Path) -> None:
    shown("lower", at, picture(folder / "case.png", (0.1, 1, 1)))
    node = shown("upper", at, picture(folder / "Case.png", (1, 0.1, 1)))
    bpy.data.objects["upper"].scale.x = 0.5
    bpy.data.objects["upper"].location.z += 0.1
    assert node.image.name == "upper"


@tile
def image_sequence(at: Any, folder: Path) -> None:
    for number in range(1, 8):
        picture(folder / f"s.{number:04d}.png", (number / 7, 1 - number / 7, 0.5))
    node = shown("sequence", at, folder / "s.0001.png", source="SEQUENCE")
    node.image_user.frame_duration, node.image_user.frame_start, node.image_user.frame_offset = 5, 1, 1
    node.image_user.use_auto_refresh = True


@tile
def image_sequence_with_an_absolute_path(at: Any, folder: Path) -> None:
    far = folder.parent.parent / "far away"
    for number in range(1, 6):
        picture(far / f"f.{number:04d}.png", (0.5, number / 7, 1 - number / 7))
    node = shown("far", at, far / "f.0001.png", str(far / "f.0001.png"), source="SEQUENCE")
    node.image_user.frame_duration, node.image_user.frame_start = 5, 1
    node.image_user.use_auto_refresh = True


@tile
def movie(at: Any, folder: Path) -> None:
    stills = bpy.data.scenes.new("Movie")
    editor = stills.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    for number in range(1, 5):
        strips.new_image(f"{number}", str(picture(folder / f"{number}.png", (1, number / 5, 0))), 1, number)
    render = stills.render
    render.resolution_x = render.resolution_y = 32
    stills.frame_start, stills.frame_end = 1, 4
    if bpy.app.version >= (5, 0, 0):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec = "AVI", "HUFFYUV" if "HUFFYUV" in codecs() else "MPEG4"
    render.filepath, render.use_file_extension = str(folder / "movie.avi"), False
    bpy.ops.render.render(animation=True, scene=stills.name)
    bpy.data.scenes.remove(stills)
    node = shown("movie", at, folder / "movie.avi", source="MOVIE")
    node.image_user.frame_duration, node.image_user.frame_start = 4, 1
    node.image_user.use_auto_refresh = True


def codecs() -> set[str]:
    rna: Any = bpy.types.FFmpegSettings.bl_rna
    return {item.identifier for item in rna.properties["codec"].enum_items}


def tiled(name: str, at: Any, folder: Path, token: str, first: str, second: str) -> None:
    for number, text in enumerate((first, second)):
        picture(folder / f"t.{text}.png", (number, 1, 0.3))
    node = shown(name, at, folder / f"t.{first}.png", source="TILED")
    node.image.filepath = bpy.path.relpath(str(folder / f"t.{token}.png"))
    if 1002 not in [each.number for each in node.image.tiles]:
        node.image.tiles.new(1002)
    for loop in bpy.data.objects[name].data.uv_layers[0].data:
        loop.uv.x *= 2


@tile
def udim_tiles(at: Any, folder: Path) -> None:
    tiled("udim", at, folder, "<UDIM>", "1001", "1002")


@tile
def uv_tiles(at: Any, folder: Path) -> None:
    tiled("uvtile", at, folder, "<UVTILE>", "u1_v1", "u2_v1")


@tile
def image_that_is_packed(at: Any, folder: Path) -> None:
    path = picture(folder / "packed.png", (0.3, 0.3, 0.9))
    shown("packed", at, path).image.pack()
    path.unlink()


# --- libraries ---


@tile
def libraries_two_deep_with_an_override(at: Any, folder: Path) -> None:
    """scene -> props.blend (an object, overridden here) -> deep/paint.blend (a material) -> deep/paint.png."""
    deep = folder / "deep"
    path = picture(deep / "paint.png", (0.9, 0.5, 0.1))
    node = shown("linked", at, path)
    thing, material = bpy.data.objects["linked"], bpy.data.objects["linked"].data.materials[0]
    node.image.filepath = "//paint.png"
    bpy.data.libraries.write(str(deep / "paint.blend"), {material}, path_remap="NONE")
    thing.data.materials.clear()
    bpy.data.materials.remove(material)
    bpy.data.images.remove(bpy.data.images["linked"])
    with bpy.data.libraries.load(str(deep / "paint.blend"), link=True, relative=True) as (_, wanted):
        wanted.materials = ["linked"]
    thing.data.materials.append(wanted.materials[0])
    bpy.data.libraries.write(str(folder / "props.blend"), {thing}, path_remap="RELATIVE")
    bpy.data.batch_remove([thing, thing.data, *bpy.data.libraries])
    with bpy.data.libraries.load(str(folder / "props.blend"), link=True, relative=True) as (_, wanted):
        wanted.objects = ["linked"]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    local = wanted.objects[0].override_create(remap_local_usages=True)
    local.scale.x = 0.7


@tile
def library_with_an_absolute_path(at: Any, folder: Path) -> None:
    path = folder.parent.parent / "asset store" / "lib.blend"
    path.parent.mkdir(parents=True)
    shown("asset", at, picture(path.parent / "tex" / "asset.png", (0.2, 0.9, 0.6))).image.filepath = "//tex/asset.png"
    thing = bpy.data.objects["asset"]
    bpy.data.libraries.write(str(path), {thing}, path_remap="NONE")
    bpy.data.batch_remove([thing.data.materials[0], thing.data, thing, bpy.data.images["asset"]])
    with bpy.data.libraries.load(str(path), link=True, relative=False) as (_, wanted):
        wanted.objects = ["asset"]
    bpy.context.scene.collection.objects.link(wanted.objects[0])


# --- fonts, geometry from files ---


@tile
def font(at: Any, folder: Path) -> None:
    fonts = Path(bpy.utils.system_resource("DATAFILES", path="fonts"))
    source = next(path for path in sorted(fonts.iterdir()) if "Arabic" in path.name)
    folder.mkdir(parents=True)
    path = Path(shutil.copy(source, folder / ("font" + source.suffix)))
    text = bpy.data.curves.new("font", "FONT")
    text.body, text.size, text.align_x, text.align_y = "\u0645\u0633g", 0.8, "CENTER", "CENTER"
    text.font = bpy.data.fonts.load(str(path))
    text.font.filepath = bpy.path.relpath(str(path))
    shining("font", text, at)


def moving(name: str, at: Any) -> Any:
    """A plane that turns, for what records movement."""
    thing = shining(name, mesh(name, 0.6), at)
    for frame in range(1, LAST + 1):
        thing.rotation_euler.z = frame * 0.3
        thing.keyframe_insert("rotation_euler", frame=frame)
    wave = thing.data.shape_keys or thing.shape_key_add(name="Basis")
    key = thing.shape_key_add(name="Wide")
    for point in key.data:
        point.co.x *= 0.4
    for frame, value in ((1, 0.0), (LAST, 1.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    assert wave is not None
    return thing


def exported(name: str, at: Any, export: Any, load: Any, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    thing = moving(name, at)
    for other in bpy.context.scene.objects:
        other.select_set(other is thing)
    bpy.context.view_layer.objects.active = thing
    assert export(filepath=str(path), **options) == {"FINISHED"}
    bpy.data.objects.remove(thing)
    before = set(bpy.data.objects)
    assert load(filepath=str(path)) == {"FINISHED"}
    for new in set(bpy.data.objects) - before:
        if new.type == "MESH":
            new.data.materials.clear()
            new.data.materials.append(glow(name)[0])
    for cache in bpy.data.cache_files:
        if not cache.filepath.startswith("//"):
            cache.filepath = bpy.path.relpath(cache.filepath)


@tile
def alembic(at: Any, folder: Path) -> None:
    options = {"selected": True, "start": 1, "end": LAST}
    exported("alembic", at, bpy.ops.wm.alembic_export, bpy.ops.wm.alembic_import, folder / "cache.abc", **options)


@tile
def alembic_sequence(at: Any, folder: Path) -> None:
    """A file for each frame."""

    def export(filepath: str) -> set[str]:
        for frame in range(LAST, 0, -1):
            path = str(folder / f"cache_{frame:04d}.abc")
            bpy.context.scene.frame_set(frame)
            bpy.ops.wm.alembic_export(filepath=path, selected=True, start=frame, end=frame)
        return {"FINISHED"}

    def load(filepath: str) -> set[str]:
        found: set[str] = bpy.ops.wm.alembic_import(filepath=filepath, is_sequence=True, set_frame_range=False)
        bpy.data.cache_files["cache_0001.abc"].is_sequence = True
        return found

    exported("alembic sequence", at, export, load, folder / "cache_0001.abc")


@tile
def usd_in_layers(at: Any, folder: Path) -> None:
    """A stage of text that has everything from another file."""

    def export(filepath: str) -> set[str]:
        found: set[str] = bpy.ops.wm.usd_export(
            filepath=str(folder / "layer.usda"), selected_objects_only=True, export_animation=True
        )
        head = 'defaultPrim = "root"\n    metersPerUnit = 1\n    upAxis = "Z"\n    timeCodesPerSecond = 24\n'
        head += f"    startTimeCode = 1\n    endTimeCode = {LAST}\n    subLayers = [@./layer.usda@]"
        Path(filepath).write_text(f"#usda 1.0\n(\n    {head}\n)\n")
        return found

    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, LAST
    exported("usd layers", at, export, bpy.ops.wm.usd_import, folder / "stage.usda")


@tile
def usd(at: Any, folder: Path) -> None:
    options = {"selected_objects_only": True, "export_animation": True}
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, LAST
    exported("usd", at, bpy.ops.wm.usd_export, bpy.ops.wm.usd_import, folder / "stage.usdc", **options)


@tile
def mesh_cache(at: Any, folder: Path) -> None:
    """A PC2 file of a plane that shrinks."""
    thing = shining("mesh cache", mesh("mesh cache"), at)
    folder.mkdir(parents=True)
    with (folder / "cache.pc2").open("wb") as file:
        file.write(struct.pack("<12siiffi", b"POINTCACHE2\0", 1, len(thing.data.vertices), 1.0, 1.0, LAST))
        for frame in range(1, LAST + 1):
            for vertex in thing.data.vertices:
                x, y, z = vertex.co
                file.write(struct.pack("<3f", x / frame, y * 0.8, z))
    modifier = thing.modifiers.new("Mesh cache", "MESH_CACHE")
    modifier.cache_format, modifier.filepath = "PC2", "//mesh_cache/cache.pc2"


@tile
def mesh_cache_mdd(at: Any, folder: Path) -> None:
    """The same as an MDD file, which has the largest byte first."""
    thing = shining("mdd", mesh("mdd"), at)
    folder.mkdir(parents=True)
    with (folder / "cache.mdd").open("wb") as file:
        file.write(struct.pack(f">ii{LAST}f", LAST, len(thing.data.vertices), *(n / 24 for n in range(LAST))))
        for frame in range(1, LAST + 1):
            for vertex in thing.data.vertices:
                x, y, z = vertex.co
                file.write(struct.pack(">3f", x * 0.7, y / frame, z))
    modifier = thing.modifiers.new("Mesh cache", "MESH_CACHE")
    modifier.cache_format, modifier.filepath = "MDD", "//mesh_cache_mdd/cache.mdd"


@tile
def multires(at: Any, folder: Path) -> None:
    folder.mkdir(parents=True)
    thing = shining("multires", mesh("multires", segments=2), at)
    modifier = thing.modifiers.new("Multires", "MULTIRES")
    for _ in range(2):
        run(bpy.ops.object.multires_subdivide, thing, modifier="Multires")
    shape = bpy.data.meshes.new_from_object(thing.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    for vertex in shape.vertices:
        vertex.co.x *= 0.3 + vertex.co.y
    other = add("target", shape, at)
    for each in bpy.context.scene.objects:
        each.select_set(each in (thing, other))
    with bpy.context.temp_override(object=thing, active_object=thing, selected_objects=[thing, other]):
        assert bpy.ops.object.multires_reshape(modifier="Multires") == {"FINISHED"}
    run(bpy.ops.object.multires_external_save, thing, modifier="Multires", filepath=str(folder / "detail.btx"))
    modifier.filepath = "//multires/detail.btx"
    bpy.data.objects.remove(other)


# --- simulations ---


@tile
def cloth(at: Any, folder: Path) -> None:
    thing = shining("cloth", mesh("cloth", 0.7, 3), at)
    thing.rotation_euler.x = 1.2
    cache = thing.modifiers.new("Cloth", "CLOTH").point_cache
    cache.use_disk_cache, cache.frame_start, cache.frame_end = True, 1, LAST
    bpy.context.scene.gravity = (0, -30, 0)


@tile
def soft_body(at: Any, folder: Path) -> None:
    thing = shining("soft", mesh("soft", 0.5, 3), at)
    modifier = thing.modifiers.new("Soft body", "SOFT_BODY")
    modifier.settings.use_goal = False
    modifier.point_cache.use_disk_cache, modifier.point_cache.frame_end = True, LAST


@tile
def particles(at: Any, folder: Path) -> None:
    spark = shining("spark", mesh("spark", 0.1), at)
    spark.hide_render = True
    thing = add("emitter", mesh("emitter", 0.5), at)
    thing.show_instancer_for_render = False
    thing.modifiers.new("Particles", "PARTICLE_SYSTEM")
    system = thing.particle_systems[0]
    settings = system.settings
    settings.count, settings.frame_start, settings.frame_end, settings.render_type = 12, 1, 1, "OBJECT"
    settings.instance_object, settings.particle_size = spark, 1.0
    settings.normal_factor, settings.factor_random = 0, 3
    system.point_cache.use_disk_cache, system.point_cache.frame_end = True, LAST


@tile
def dynamic_paint(at: Any, folder: Path) -> None:
    canvas = shining("canvas", mesh("canvas", segments=12), at)
    material = canvas.data.materials[0]
    brush = add("brush", mesh("brush", 0.3), at)
    brush.hide_render = True
    for frame, x in ((1, -0.3), (LAST, 0.3)):
        brush.location.x = at.location.x + x
        brush.keyframe_insert("location", frame=frame)
    modifier = canvas.modifiers.new("Canvas", "DYNAMIC_PAINT")
    run(bpy.ops.dpaint.type_toggle, canvas, type="CANVAS")
    surface = modifier.canvas_settings.canvas_surfaces[0]
    surface.surface_format, surface.frame_start, surface.frame_end = "VERTEX", 1, LAST
    surface.point_cache.use_disk_cache, surface.point_cache.frame_end = True, LAST
    run(bpy.ops.dpaint.output_toggle, canvas, output="A")
    modifier = brush.modifiers.new("Brush", "DYNAMIC_PAINT")
    modifier.ui_type = "BRUSH"
    run(bpy.ops.dpaint.type_toggle, brush, type="BRUSH")
    modifier.brush_settings.paint_color, modifier.brush_settings.paint_source = (1, 0.1, 0.1), "VOLUME_DISTANCE"
    modifier.brush_settings.paint_distance = 0.2
    node = material.node_tree.nodes.new("ShaderNodeVertexColor")
    node.layer_name = surface.output_name_a
    shader = next(each for each in material.node_tree.nodes if each.type == "EMISSION")
    material.node_tree.links.new(node.outputs[0], shader.inputs["Color"])


@tile
def ocean(at: Any, folder: Path) -> None:
    thing = shining("ocean", mesh("ocean"), at)
    modifier = thing.modifiers.new("Ocean", "OCEAN")
    modifier.geometry_mode, modifier.filepath, modifier.resolution = "DISPLACE", "//ocean", 4
    modifier.viewport_resolution, modifier.choppiness, modifier.wave_scale = 4, 1.0, 0.3
    modifier.spatial_size, modifier.frame_start, modifier.frame_end = 20, 1, LAST
    modifier.time = 1.0
    subdivide = thing.modifiers.new("Subdivide", "SUBSURF")
    subdivide.subdivision_type, subdivide.levels, subdivide.render_levels = "SIMPLE", 3, 3
    thing.modifiers.move(1, 0)
    run(bpy.ops.object.ocean_bake, thing, modifier="Ocean")
    # In background Blender bakes, and forgets to note it; no property can be set instead. So its byte is written: it
    # lies behind the path (1024 bytes), two names of layers (64 each) and two numbers (DNA_modifier_types.h).
    address = modifier.as_pointer()
    path = ctypes.string_at(address, 512).index(b"//ocean\0")
    ctypes.memset(address + path + 1024 + 2 * 64 + 2 * 4, 1, 1)
    assert modifier.is_cached and modifier.geometry_mode == "DISPLACE"


def geometry(name: str, at: Any) -> tuple[Any, Any, Any, Any]:
    """An object with empty Geometry Nodes: it, its modifier, the tree and its output."""
    thing = shining(name, mesh(name, 0.5), at)
    modifier = thing.modifiers.new("Nodes", "NODES")
    tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
    modifier.node_group = tree
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    return thing, modifier, tree, tree.nodes.new("NodeGroupOutput")


@tile
def geometry_nodes_bake(at: Any, folder: Path) -> None:
    """A simulation that moves on at each frame."""
    thing, modifier, tree, output = geometry("simulation", at)
    source = tree.nodes.new("NodeGroupInput")
    begin, end = tree.nodes.new("GeometryNodeSimulationInput"), tree.nodes.new("GeometryNodeSimulationOutput")
    begin.pair_with_output(end)
    move = tree.nodes.new("GeometryNodeSetPosition")
    move.inputs["Offset"].default_value = (0.06, 0.03, 0)
    tree.links.new(source.outputs[0], begin.inputs["Geometry"])
    tree.links.new(begin.outputs["Geometry"], move.inputs[0])
    tree.links.new(move.outputs[0], end.inputs["Geometry"])
    tree.links.new(end.outputs["Geometry"], output.inputs[0])
    bake(thing, modifier)


def bake(thing: Any, modifier: Any) -> None:
    bpy.context.view_layer.update()
    if hasattr(modifier, "bake_target"):  # before 4.3 it is always the disk
        modifier.bake_target = "DISK"
    bpy.context.view_layer.objects.active = thing
    session = {"session_uid" if hasattr(thing, "session_uid") else "session_uuid": thing.session_uid}
    bpy.ops.object.geometry_node_bake_single(**session, modifier_name=modifier.name, bake_id=modifier.bakes[0].bake_id)


def triangle(path: Path) -> Path:
    """An STL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    corners = [(0.0, 0.0, 0.0), (0.4, 0.0, 0.0), (0.0, 0.4, 0.0)]
    data = struct.pack("<80sI", b"", 1) + struct.pack("<12fH", 0, 0, 1, *(v for c in corners for v in c), 0)
    path.write_bytes(data)
    return path


def importing(name: str, at: Any) -> tuple[Any, Any, Any]:
    """An object that is the geometry of a file: its modifier, the tree and the socket of the path."""
    _, modifier, tree, output = geometry(name, at)
    node, paint = tree.nodes.new("GeometryNodeImportSTL"), tree.nodes.new("GeometryNodeSetMaterial")
    paint.inputs["Material"].default_value = bpy.data.materials[name]
    tree.links.new(node.outputs[0], paint.inputs[0])
    tree.links.new(paint.outputs[0], output.inputs[0])
    return modifier, tree, node.inputs["Path"]


@tile
def geometry_nodes_import(at: Any, folder: Path) -> None:
    if not hasattr(bpy.types, "GeometryNodeImportSTL"):
        return
    triangle(folder / "triangle.stl")
    _, _, path = importing("import", at)
    path.default_value = "//geometry_nodes_import/triangle.stl"


@tile
def geometry_nodes_path_input(at: Any, folder: Path) -> None:
    """The modifier has the path, and the file is elsewhere."""
    if not hasattr(bpy.types, "GeometryNodeImportSTL"):
        return
    stl = triangle(folder.parent.parent / "elsewhere" / "input.stl")
    modifier, tree, path = importing("path input", at)
    socket = tree.interface.new_socket("File", in_out="INPUT", socket_type="NodeSocketString")
    socket.subtype = "FILE_PATH"
    tree.links.new(tree.nodes.new("NodeGroupInput").outputs["File"], path)
    if hasattr(modifier, "properties"):  # 5.2
        getattr(modifier.properties.inputs, socket.identifier).value = str(stl)
    else:
        modifier[socket.identifier] = str(stl)


def vdb_files(at: Any, folder: Path, count: int) -> list[Path]:
    """VDB files of a cube that grows: a bake of Geometry Nodes has them inside."""
    thing, modifier, tree, output = geometry("grow", at)
    volume, node = tree.nodes.new("GeometryNodeVolumeCube"), tree.nodes.new("GeometryNodeBake")
    if not node.bake_items:  # 5.0 begins with none
        node.bake_items.new("GEOMETRY", "Geometry")
    for name in ("Resolution X", "Resolution Y", "Resolution Z"):
        volume.inputs[name].default_value = 8
    time = tree.nodes.new("GeometryNodeInputSceneTime")
    scale = tree.nodes.new("GeometryNodeTransform")
    join = tree.nodes.new("ShaderNodeMath")
    join.operation, join.inputs[1].default_value = "MULTIPLY", 0.1
    tree.links.new(time.outputs["Frame"], join.inputs[0])
    tree.links.new(join.outputs[0], scale.inputs["Scale"])
    tree.links.new(volume.outputs[0], scale.inputs[0])
    tree.links.new(scale.outputs[0], node.inputs[0])
    tree.links.new(node.outputs[0], output.inputs[0])
    bpy.context.scene.frame_end = count
    bpy.context.view_layer.update()
    modifier.bakes[0].bake_mode = "ANIMATION"
    bake(thing, modifier)
    baked = Path(bpy.path.abspath(modifier.bake_directory))
    files = sorted(baked.rglob("*.vdb"))
    folder.mkdir(parents=True, exist_ok=True)
    found = [Path(shutil.copy(file, folder / f"v_{n:03d}.vdb")) for n, file in enumerate(files, 1)]
    shutil.rmtree(baked)
    bpy.data.objects.remove(thing)
    bpy.context.scene.frame_end = LAST
    assert len(found) == count, files
    return found


def smoke(name: str, at: Any, path: Path) -> Any:
    volume = bpy.data.volumes.new(name)
    volume.filepath = bpy.path.relpath(str(path))
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    output, shader = tree.nodes.new("ShaderNodeOutputMaterial"), tree.nodes.new("ShaderNodeVolumePrincipled")
    shader.inputs["Emission Strength"].default_value = 3.0
    tree.links.new(shader.outputs[0], output.inputs["Volume"])
    volume.materials.append(material)
    add(name, volume, at)
    return volume


@tile
def volume(at: Any, folder: Path) -> None:
    smoke("volume", at, vdb_files(at, folder, 3)[2])
    for number in (1, 2):
        (folder / f"v_{number:03d}.vdb").unlink()


@tile
def volume_sequence(at: Any, folder: Path) -> None:
    files = vdb_files(at, folder, LAST)
    volume = smoke("volume sequence", at, files[0])
    volume.is_sequence, volume.frame_duration, volume.frame_start = True, LAST, 1


# --- shaders ---


def profile(name: str, at: Any, path: Path, numbers: str) -> Any:
    """A floor, and a lamp over it whose profile is in the file; the texture's node."""
    path.parent.mkdir(parents=True)
    angles = "0 15 30 45 60 75 90"
    path.write_text(f"IESNA:LM-63-2002\nTILT=NONE\n1 1000 1 7 1 1 2 0 0 0\n1 1 100\n{angles}\n0\n{numbers}\n")
    floor = mesh(name)
    floor.materials.append(bpy.data.materials.new(name))
    add(name, floor, at)
    light = bpy.data.lights.new(name, "POINT")
    light.use_nodes, light.energy, light.shadow_soft_size = True, 0.02, 0.0
    tree = light.node_tree
    node = tree.nodes.new("ShaderNodeTexIES")
    emission = next(each for each in tree.nodes if each.type == "EMISSION")
    tree.links.new(node.outputs[0], emission.inputs["Strength"])
    add(f"{name} light", light, at).location.z += 0.3
    return node


@tile
def ies_profile(at: Any, folder: Path) -> None:
    node = profile("ies", at, folder / "spot.ies", "900 100 800 50 700 20 10")
    node.mode, node.filepath = "EXTERNAL", "//ies_profile/spot.ies"


@tile
def text_file(at: Any, folder: Path) -> None:
    """A profile in a text of Blender that is a file."""
    path = folder / "wide.ies"
    node = profile("text", at, path, "100 900 100 900 100 900 10")
    node.mode, node.ies = "INTERNAL", bpy.data.texts.load(str(path))
    node.ies.filepath = "//text_file/wide.ies"


@tile
def osl_script(at: Any, folder: Path) -> None:
    """A shader that includes another file."""
    import _cycles

    if not _cycles.with_osl:
        return
    folder.mkdir(parents=True)
    (folder / "tint.h").write_text("#define TINT color(0.9, 0.5, 0.2)\n")
    code = '#include "tint.h"\nshader stripes(output color Out = 0) { Out = mod(P[0] * 7, 1.0) * TINT; }\n'
    (folder / "stripes.osl").write_text(code)
    bpy.context.scene.cycles.shading_system = True
    data = mesh("osl")
    material, tree, shader = glow("osl")
    data.materials.append(material)
    add("osl", data, at)
    node = tree.nodes.new("ShaderNodeScript")
    node.mode, node.filepath = "EXTERNAL", "//osl_script/stripes.osl"
    if "Out" not in node.outputs:  # without the module oslquery Blender does not make it by itself
        node.outputs.new("NodeSocketColor", "Out")
    tree.links.new(node.outputs["Out"], shader.inputs["Color"])
    for compiled in folder.glob("*.oso"):
        compiled.unlink()


# --- what makes no pixel ---


def unseen(film: Path) -> None:
    """A sound of a speaker, and a sequencer strip: neither makes a pixel of the result."""
    film.joinpath("unseen").mkdir()
    for name in ("sound.wav", "strip.png"):
        film.joinpath("unseen", name).write_bytes(wave())
    sound = bpy.data.sounds.load(str(film / "unseen" / "sound.wav"))
    sound.filepath = "//unseen/sound.wav"
    speaker = bpy.data.speakers.new("Speaker")
    speaker.sound = sound
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Speaker", speaker))
    editor = bpy.context.scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_image("strip", "//unseen/strip.png", 1, 1)


def wave() -> bytes:
    return (
        b"RIFF"
        + struct.pack("<I4s4sIHHIIHH4sI", 38, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 2)
        + b"\0\0"
    )


# --- the whole ---


def build(folder: Path, wanted: list[str]) -> list[str]:
    film = folder / "film"
    film.mkdir(parents=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    blend = str(film / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=blend)  # relative paths begin there
    scene.frame_start, scene.frame_end = 1, LAST
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 2, False
    scene.cycles.use_adaptive_sampling, scene.cycles.max_bounces = False, 2
    if hasattr(scene.cycles, "volume_biased"):
        scene.cycles.volume_biased = True  # else 5.0 builds trees of the volumes, which take a minute
    names = [name for name in TILES if not wanted or name in wanted]
    rows = math.ceil(len(names) / COLUMNS)
    scene.render.resolution_x, scene.render.resolution_y = COLUMNS * PIXELS, rows * PIXELS
    camera = bpy.data.cameras.new("Camera")
    camera.type, camera.ortho_scale = "ORTHO", max(COLUMNS, rows)
    scene.camera = bpy.data.objects.new("Camera", camera)
    scene.camera.location = ((COLUMNS - 1) / 2, -(rows - 1) / 2, 10)
    scene.collection.objects.link(scene.camera)
    for number, name in enumerate(names):
        at = bpy.data.objects.new(f"at {name}", None)
        at.location = (number % COLUMNS, -(number // COLUMNS), 0)
        scene.collection.objects.link(at)
        TILES[name](at, film / name)
        print("made", name, flush=True)
    unseen(film)
    scene.frame_set(1)
    bpy.ops.wm.save_mainfile()
    bpy.ops.ptcache.bake_all(bake=True)
    scene.frame_set(1)
    bpy.ops.wm.save_mainfile()
    return names


if __name__ == "__main__":
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    print("tiles:" + json.dumps(build(Path(given[0]).resolve(), given[1:])), flush=True)
    sys.stderr.flush()
    os._exit(0)
