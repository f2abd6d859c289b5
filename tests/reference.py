"""The local render that the farm is compared with: plain bpy, and none of the add-on's code.

``python reference.py SCENE.blend OUTDIR --frames 1-6``, or ``blender -b -P reference.py -- SCENE.blend ...``. One frame
a call makes it the process-per-frame farm that the benchmark measures against.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path


def render(blend: Path, output: Path, frames: str = "", *, blender: str | None = None, **overrides: int | str) -> Path:
    """Render locally, in a process of its own: ``blender``, or this Python. Returns the folder of 0001.exr ..."""
    start = [blender, "-b", "--disable-autoexec", "-P", __file__, "--"] if blender else [sys.executable, __file__]
    words = [word for name, value in overrides.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    if frames:
        words += ["--frames", frames]
    done = subprocess.run([*start, str(blend), str(output), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Render frames of a .blend locally, as raw multilayer EXR.")
    parser.add_argument("blend", type=Path)
    parser.add_argument("output", type=Path, help="folder for 0001.exr ...")
    parser.add_argument("--frames", help="first-last, or one frame (default: the scene's range)")
    parser.add_argument("--percentage", type=int)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--engine")
    parser.add_argument("--scene")
    parser.add_argument("--view-layer", action="append", default=[], help="render only this one; may be repeated")
    parser.add_argument("--threads", type=int, default=0, help="0 for as many as the machine has")
    parser.add_argument("--wait-for-line", action="store_true", help="say `loaded`, and begin when told so on stdin")
    parser.add_argument("--persistent", action="store_true", help="keep render data between frames")
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    return parser.parse_args(given)


def main() -> None:
    import bpy

    asked = arguments()
    if asked.wait_for_line:
        print("loaded", flush=True)
        sys.stdin.readline()
    bpy.ops.wm.open_mainfile(filepath=str(asked.blend), use_scripts=False)
    if asked.scene:
        bpy.context.window.scene = bpy.data.scenes[asked.scene]
    scene = bpy.context.scene
    render = scene.render
    if asked.engine:
        render.engine = asked.engine
    if asked.percentage:
        render.resolution_percentage = asked.percentage
    if asked.samples:
        scene.cycles.samples = asked.samples
        scene.eevee.taa_render_samples = asked.samples
    if asked.view_layer:
        for layer in scene.view_layers:
            layer.use = layer.name in asked.view_layer
    if asked.frames:
        first, _, last = asked.frames.partition("-")
        scene.frame_start, scene.frame_end = int(first), int(last or first)
    if asked.threads:
        render.threads_mode, render.threads = "FIXED", asked.threads
    render.use_persistent_data = asked.persistent
    render.use_compositing = render.use_sequencer = False
    render.use_overwrite, render.use_placeholder = True, False
    if bpy.app.version >= (5, 0, 0):
        render.image_settings.media_type = "MULTI_LAYER_IMAGE"
    render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    render.image_settings.color_depth = "32"
    render.image_settings.exr_codec = "ZIP"
    render.image_settings.views_format = "MULTIVIEW"
    render.use_file_extension = True
    render.filepath = str(asked.output.resolve() / "####")
    bpy.ops.render.render(animation=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # not through Blender's own teardown, which can hang
