"""A .blend of 200 MB, and the same after one object was moved in another session of Blender."""

import os
import subprocess
import sys
from pathlib import Path

OBJECTS, SIDE = 19, 330  # grids of so many vertices a side


def make(old: Path, new: Path) -> None:
    """Save both, each from a process of its own: addresses in memory, which a .blend holds, differ."""
    for arguments in (("build", old), ("move", old, new)):
        arguments[-1].parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, __file__, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def _build(path: str) -> None:
    import bpy
    import numpy as np

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    random = np.random.default_rng(1)
    for number in range(OBJECTS):
        bpy.ops.mesh.primitive_grid_add(x_subdivisions=SIDE, y_subdivisions=SIDE, location=(number, 0, 0))
        mesh = bpy.context.object.data
        mesh.vertices.foreach_set("co", random.random(len(mesh.vertices) * 3, dtype=np.float32))
    bpy.ops.wm.save_as_mainfile(filepath=path, compress=False)


def _move(path: str, target: str) -> None:
    import bpy

    bpy.ops.wm.open_mainfile(filepath=path)
    bpy.data.objects[7].location.x += 1
    bpy.ops.wm.save_as_mainfile(filepath=target, compress=False)


if __name__ == "__main__":
    _build(sys.argv[2]) if sys.argv[1] == "build" else _move(*sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)
