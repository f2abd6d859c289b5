"""Builds the scenes that the tests and the benchmarks render: ``python scenes.py identity OUT.blend``.

bpy keeps one scene a process, so the tests call ``build``, which runs this file in a Python that has bpy.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def build(name: str, blend: Path, *, python: str = sys.executable, **options: int | str) -> Path:
    """Save the scene called ``name`` to ``blend``, in a process of its own. ``options`` as on the command line."""
    words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    command = [python, str(Path(__file__).resolve()), name, str(blend), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert blend.is_file()
    return blend


def _empty(asked: argparse.Namespace, frames: int, width: int, height: int, samples: int) -> Any:
    """A scene with a camera and a light, and nothing else."""
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, asked.frames or frames
    scene.render.resolution_x, scene.render.resolution_y = asked.width or width, asked.height or height
    scene.render.engine = "CYCLES"
    scene.cycles.samples = asked.samples or samples
    scene.cycles.use_denoising = False  # not every Blender has a denoiser
    scene.cycles.use_adaptive_sampling = False
    scene.world = bpy.data.worlds.new("World")
    scene.camera = _object("Camera", bpy.data.cameras.new("Camera"), (7, -7, 5))
    scene.camera.rotation_euler = (1.1, 0, 0.785)
    light = bpy.data.lights.new("Light", "POINT")
    light.energy = 1000
    _object("Light", light, (4, -1, 6))
    return scene


def _object(name: str, data: Any, location: tuple[float, float, float]) -> Any:
    import bpy

    thing = bpy.data.objects.new(name, data)
    thing.location = location
    bpy.context.scene.collection.objects.link(thing)
    return thing


def _cube(name: str = "Cube", size: float = 2.0) -> Any:
    import bmesh
    import bpy

    mesh = bpy.data.meshes.new(name)
    shape = bmesh.new()
    bmesh.ops.create_cube(shape, size=size, calc_uvs=True)
    shape.to_mesh(mesh)
    shape.free()
    return mesh


def _move(thing: Any, last: int, target: tuple[float, float, float]) -> None:
    """From where it is, at frame 1, to ``target`` at the last frame, turning."""
    thing.keyframe_insert("location", frame=1)
    thing.keyframe_insert("rotation_euler", frame=1)
    thing.location = target
    thing.rotation_euler = (0.4, 0.8, 2.0)
    thing.keyframe_insert("location", frame=last)
    thing.keyframe_insert("rotation_euler", frame=last)


def _material(name: str, color: tuple[float, float, float, float]) -> Any:
    import bpy

    material = bpy.data.materials.new(name)
    material.use_nodes = True  # ignored, and always so, since 5.0
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = color
    return material


def simple(asked: argparse.Namespace) -> None:
    """A cube that moves; renders in an instant."""
    scene = _empty(asked, frames=6, width=32, height=24, samples=1)
    cube = _object("Cube", _cube(), (-1, 0, 0))
    cube.data.materials.append(_material("Red", (0.8, 0.1, 0.05, 1)))
    _move(cube, scene.frame_end, (1, 0.5, 0.5))


def slow(asked: argparse.Namespace) -> None:
    """The same with so many samples that a frame takes long, for what must be interrupted."""
    simple(asked)
    import bpy

    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = asked.width or 640, asked.height or 480
    scene.cycles.samples = asked.samples or 4096


def camera_cuts(asked: argparse.Namespace) -> None:
    """Three cameras that markers switch between, a driver on the frame, motion blur across the cut."""
    import bpy

    simple(asked)
    scene = bpy.context.scene
    scene.render.use_motion_blur = True
    for number, frame in enumerate((1, 3, 5)):
        camera = _object(f"Camera {number}", bpy.data.cameras.new("Camera"), (7 - 4 * number, -7, 5 + number))
        camera.rotation_euler = (1.1, 0, 0.785 - 0.5 * number)
        marker = scene.timeline_markers.new(f"cut {number}", frame=frame)
        marker.camera = camera
    driver = bpy.data.objects["Cube"].driver_add("scale", 2).driver
    driver.expression = "1 + frame * 0.1"
    # Reads the frame range: a renderer that sets the range to a single frame would get another picture.
    driver = bpy.data.objects["Cube"].driver_add("scale", 1).driver
    variable = driver.variables.new()
    variable.name, variable.type = "last", "SINGLE_PROP"
    variable.targets[0].id_type = "SCENE"
    variable.targets[0].id = scene
    variable.targets[0].data_path = "frame_end"
    driver.expression = "last * 0.2"


def animated_settings(asked: argparse.Namespace) -> None:
    """Settings of the render itself that change from frame to frame, and a file saved between two frames."""
    import bpy

    simple(asked)
    scene = bpy.context.scene
    scene.render.use_motion_blur = True
    for owner, name, first, last in (
        (scene.render, "motion_blur_shutter", 0.1, 1.5),
        (scene.cycles, "film_exposure", 0.5, 2.0),
        (scene.cycles, "samples", 1, 6),
        (scene.cycles, "seed", 0, 9),
    ):
        for frame, value in ((1, first), (scene.frame_end, last)):
            setattr(owner, name, value)
            owner.keyframe_insert(name, frame=frame)
    scene.frame_set(3, subframe=0.5)


def identity(asked: argparse.Namespace) -> None:
    """Everything that Cycles can put into a result, in two view layers and two views."""
    import bpy

    scene = _empty(asked, frames=6, width=64, height=48, samples=4)
    render = scene.render
    cube = _object("Cube", _cube(), (-1, 0, 0))
    cube.pass_index = 1
    cube.data.materials.append(_material("Red", (0.8, 0.1, 0.05, 1)))
    cube.data.materials[0].pass_index = 2
    _move(cube, scene.frame_end, (1, 0.5, 0.5))
    _object("Floor", _cube("Floor", 1.0), (0, 0, -2)).scale = (12, 12, 0.2)
    _glass_and_smoke()
    _value_output(cube.data.materials[0])
    render.use_motion_blur = True
    render.film_transparent = True
    scene.cycles.film_transparent_glass = True
    camera = scene.camera.data
    camera.dof.use_dof, camera.dof.focus_distance, camera.dof.aperture_fstop = True, 9.0, 0.2
    render.use_multiview = True
    camera.stereo.interocular_distance = 0.5
    render.use_border = True
    render.border_min_x, render.border_max_x = 0.125, 0.875
    render.border_min_y, render.border_max_y = 0.25, 0.9
    render.use_crop_to_border = True
    second = scene.view_layers.new("Second")
    second.use_pass_z = second.use_pass_mist = True
    second.material_override = _material("Blue", (0.1, 0.2, 0.9, 1))
    _every_pass(scene.view_layers[0])
    bpy.data.objects["Light"].lightgroup = "key"


def _glass_and_smoke() -> None:
    """Something for the transmission, subsurface and volume passes."""
    glass = _material("Glass", (0.6, 0.9, 0.7, 1))
    shader = glass.node_tree.nodes["Principled BSDF"]
    shader.inputs["Transmission Weight"].default_value = 1.0
    shader.inputs["Roughness"].default_value = 0.1
    _object("Glass", _cube("Glass", 1.4), (1.5, -1.5, 0)).data.materials.append(glass)
    smoke = _material("Smoke", (1, 1, 1, 1))
    tree = smoke.node_tree
    tree.nodes.remove(tree.nodes["Principled BSDF"])
    scatter = tree.nodes.new("ShaderNodeVolumeScatter")
    scatter.inputs["Density"].default_value = 0.5
    tree.links.new(scatter.outputs[0], tree.nodes["Material Output"].inputs["Volume"])
    _object("Smoke", _cube("Smoke", 1.5), (-1.5, -2.5, 0)).data.materials.append(smoke)


def _value_output(material: Any) -> None:
    """An arbitrary output (AOV) that the material writes."""
    tree = material.node_tree
    output = tree.nodes.new("ShaderNodeOutputAOV")
    output.aov_name = "Facing"
    weight = tree.nodes.new("ShaderNodeLayerWeight")
    tree.links.new(weight.outputs["Facing"], output.inputs["Value"])


def _every_pass(layer: Any) -> None:
    for owner in (layer, layer.cycles):
        for name in (each.identifier for each in owner.bl_rna.properties):
            if name.startswith(("use_pass_", "pass_debug", "denoising_store")) and name != "use_pass_grease_pencil":
                setattr(owner, name, True)
    layer.use_pass_cryptomatte_object = layer.use_pass_cryptomatte_material = True
    layer.use_pass_cryptomatte_asset = True
    layer.pass_cryptomatte_depth = 4
    aov = layer.aovs.add()
    aov.name, aov.type = "Facing", "VALUE"
    layer.lightgroups.add(name="key")


def heavy(asked: argparse.Namespace) -> None:
    """A landscape of a million vertices with a texture of 4096 x 4096 that stands still, seen twice; a cube that moves.

    What a warm renderer need not do again for every frame: load, subdivide, displace, and build the tree. Two
    instances, because Cycles keeps the tree of what is instanced; one of its own would be built again with the cube's.
    """
    import bmesh
    import bpy
    import numpy

    scene = _empty(asked, frames=40, width=256, height=144, samples=4)
    mesh = bpy.data.meshes.new("Hills")
    shape = bmesh.new()
    bmesh.ops.create_grid(shape, x_segments=250, y_segments=250, size=6)
    shape.to_mesh(mesh)
    shape.free()
    green = _material("Green", (0.15, 0.4, 0.1, 1))
    rock = bpy.data.images.new("Rock", 4096, 4096)
    rock.pixels.foreach_set(numpy.random.default_rng(1).random(4 * 4096 * 4096, numpy.float32))
    rock.pack()
    texture = green.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = rock
    green.node_tree.links.new(texture.outputs["Color"], green.node_tree.nodes["Principled BSDF"].inputs["Roughness"])
    mesh.materials.append(green)
    hills = _object("Hills", mesh, (0, 0, -1))
    subdivision = hills.modifiers.new("Subdivision", "SUBSURF")
    subdivision.levels, subdivision.render_levels = 0, 2  # coarse while one works, as artists have it
    displace = hills.modifiers.new("Displace", "DISPLACE")
    displace.texture = bpy.data.textures.new("Clouds", "CLOUDS")
    displace.strength = 0.8
    erosion = hills.modifiers.new("Erosion", "SMOOTH")
    erosion.iterations = 30
    detail = hills.modifiers.new("Detail", "DISPLACE")
    detail.texture = bpy.data.textures.new("Stones", "MUSGRAVE")
    detail.texture.octaves = 8
    detail.strength = 0.1
    landscape = bpy.data.collections.new("Landscape")
    landscape.objects.link(hills)
    scene.collection.objects.unlink(hills)
    for name, distance in (("Near", 0), ("Far", 12)):
        instance = _object(name, None, (0, distance, 0))
        instance.instance_type = "COLLECTION"
        instance.instance_collection = landscape
    cube = _object("Cube", _cube(size=1), (-2, 0, 1))
    _move(cube, scene.frame_end, (2, 0.5, 1))


SCENES: dict[str, Callable[[argparse.Namespace], None]] = {
    "simple": simple,
    "slow": slow,
    "camera_cuts": camera_cuts,
    "animated_settings": animated_settings,
    "identity": identity,
    "heavy": heavy,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Build a test scene.")
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("blend", type=Path)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--width", type=int)
    parser.add_argument("--height", type=int)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--then", default="", help="Python to run before the scene is saved; `scene` is there")
    asked = parser.parse_args()
    import bpy

    SCENES[asked.scene](asked)
    exec(asked.then, {"bpy": bpy, "scene": bpy.context.scene})
    bpy.ops.wm.save_as_mainfile(filepath=str(asked.blend.resolve()), relative_remap=False)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # not through Blender's own teardown, which can hang
