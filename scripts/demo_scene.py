"""Builds the demo's scene: a bloom of pearls that a wave runs through, seen by a camera that circles it.

``python scripts/demo_scene.py OUT.blend [--frames 24] [--width 480]``, with the bpy package, 4.2 or later. Chosen to be
clean at few samples, as not every Blender has a denoiser: soft light, few bounces, nothing that glitters.
"""

import argparse
import math
import os
import sys
from pathlib import Path
from typing import Any

import bpy

PEARLS = 220
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
# From the heart to the rim.
PALETTE = ((1.0, 0.62, 0.16), (0.95, 0.25, 0.13), (0.62, 0.08, 0.22), (0.16, 0.09, 0.36), (0.03, 0.2, 0.42))


def new_object(name: str, data: Any) -> Any:
    thing = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def sphere(name: str, rings: int) -> Any:
    """The mesh of a smooth ball of radius 1."""
    import bmesh

    mesh = bpy.data.meshes.new(name)
    shape = bmesh.new()
    bmesh.ops.create_icosphere(shape, subdivisions=rings, radius=1.0)
    for face in shape.faces:
        face.smooth = True
    shape.to_mesh(mesh)
    shape.free()
    return mesh


def surface(name: str, **inputs: Any) -> Any:
    """A material of the one shader, with these inputs (``Base_Color`` for "Base Color")."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    for key, value in inputs.items():
        shader.inputs[key.replace("_", " ")].default_value = value
    return material


def mixed(position: float) -> tuple[float, float, float, float]:
    """The palette's colour at ``position`` from 0 to 1."""
    place = position * (len(PALETTE) - 1)
    index = min(int(place), len(PALETTE) - 2)
    share = place - index
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(PALETTE[index], PALETTE[index + 1], strict=True))
    return (red, green, blue, 1.0)


def add_pearls(frames: int) -> None:
    """Pearls where a sunflower has its seeds, each driven up and down by the wave. One mesh and one material."""
    pearl = surface("Pearl", Roughness=0.3)
    tree = pearl.node_tree
    info = tree.nodes.new("ShaderNodeObjectInfo")
    tree.links.new(info.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    mesh = sphere("Pearl", 4)
    mesh.materials.append(pearl)
    for number in range(6, PEARLS):
        share = number / PEARLS
        radius = 4.1 * math.sqrt(share)
        angle = number * GOLDEN_ANGLE
        thing = new_object(f"Pearl {number:03d}", mesh)
        size = 0.2 + 0.1 * share
        thing.scale = (size, size, size)
        thing.color = mixed(share)
        thing.location = (radius * math.cos(angle), radius * math.sin(angle), 0)
        driver = thing.driver_add("location", 2).driver
        # A simple expression: Blender evaluates it without Python, so also where scripts are disabled.
        height = 0.3 + 0.9 * (1 - share) ** 2
        driver.expression = (
            f"{height:.4f} + {0.3 * (1.1 - share):.4f} * sin({2 * math.pi / frames:.6f} * frame - {1.7 * radius:.4f})"
        )


def add_heart(frames: int) -> None:
    """The golden ball in the middle."""
    mesh = sphere("Heart", 5)
    mesh.materials.append(surface("Gold", Base_Color=(1.0, 0.7, 0.3, 1), Metallic=1.0, Roughness=0.12))
    heart = new_object("Heart", mesh)
    heart.scale = (0.72, 0.72, 0.72)
    driver = heart.driver_add("location", 2).driver
    driver.expression = f"1.55 + 0.16 * sin({2 * math.pi / frames:.6f} * frame)"


def add_floor() -> None:
    mesh = bpy.data.meshes.new("Floor")
    mesh.from_pydata([(-60, -60, 0), (60, -60, 0), (60, 60, 0), (-60, 60, 0)], [], [(0, 1, 2, 3)])
    mesh.materials.append(surface("Slate", Base_Color=(0.035, 0.03, 0.05, 1), Roughness=0.9, Specular_IOR_Level=0.1))
    new_object("Floor", mesh)


def add_light(name: str, where: tuple[float, float, float], size: float, watts: float, color: Any) -> None:
    light = bpy.data.lights.new(name, "AREA")
    light.shape, light.size, light.energy, light.color = "DISK", size, watts, color
    lamp = new_object(name, light)
    lamp.location = where
    aim(lamp, bpy.data.objects["Heart"])


def aim(thing: Any, target: Any) -> None:
    track = thing.constraints.new("TRACK_TO")
    track.target, track.track_axis, track.up_axis = target, "TRACK_NEGATIVE_Z", "UP_Y"


def add_sky() -> None:
    """Dusk: dark above, a warm glow near the horizon, without which metal has nothing to show."""
    world = bpy.data.worlds.new("Dusk")
    bpy.context.scene.world = world
    world.use_nodes = True
    tree = world.node_tree
    place = tree.nodes.new("ShaderNodeTexCoord")
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    tree.links.new(place.outputs["Generated"], split.inputs[0])
    tree.links.new(split.outputs["Z"], ramp.inputs[0])
    tree.links.new(ramp.outputs["Color"], tree.nodes["Background"].inputs["Color"])
    colors = ramp.color_ramp
    colors.elements[0].position, colors.elements[0].color = 0.0, (0.75, 0.30, 0.16, 1)
    colors.elements[1].position, colors.elements[1].color = 0.8, (0.02, 0.035, 0.10, 1)
    colors.elements.new(0.25).color = (0.24, 0.11, 0.19, 1)
    world.cycles.sampling_method = "NONE"  # so smooth a sky needs no importance map, which takes a third of the time


def add_camera(frames: int) -> None:
    """Circles slowly, a sixth of a turn, with the heart in focus."""
    middle = new_object("Middle", None)
    middle.location = (0, 0, 0.55)
    data = bpy.data.cameras.new("Camera")
    data.lens = 62
    data.dof.use_dof = True
    data.dof.focus_object = bpy.data.objects["Heart"]
    data.dof.aperture_fstop = 0.25
    camera = new_object("Camera", data)
    pivot = new_object("Pivot", None)
    camera.parent = pivot
    camera.location = (0, -13.5, 7.2)
    aim(camera, middle)
    turn = math.radians(60) / frames
    pivot.driver_add("rotation_euler", 2).driver.expression = f"{turn:.6f} * frame - 0.5"
    bpy.context.scene.camera = camera


def set_up(frames: int, width: int, samples: int) -> None:
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, frames
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = width, width * 9 // 16
    render.fps = 24
    cycles = scene.cycles
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = False
    cycles.use_light_tree = False  # two lights
    cycles.max_bounces = 2
    cycles.sampling_pattern = "BLUE_NOISE"
    cycles.sample_clamp_indirect = 2.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    scene.view_settings.look = "AgX - Medium High Contrast"


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the demo's scene.")
    parser.add_argument("blend", type=Path)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--samples", type=int, default=12)
    asked = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    set_up(asked.frames, asked.width, asked.samples)
    add_floor()
    add_heart(asked.frames)
    add_pearls(asked.frames)
    add_light("Key", (-6, -4, 8), 2.5, 800, (1.0, 0.86, 0.7))
    add_light("Rim", (5, 7, 9), 2.5, 800, (0.45, 0.62, 1.0))
    add_sky()
    add_camera(asked.frames)
    bpy.ops.wm.save_as_mainfile(filepath=str(asked.blend.resolve()))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # not through Blender's own teardown, which can hang
