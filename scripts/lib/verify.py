"""Render a .blend through a farm of two slaves and locally, and compare every channel of every frame."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import exr, reference
from tests.process_farm import NETRENDER


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("blend", type=Path)
    parser.add_argument("--frames", default="1-10")
    parser.add_argument("--blender", help="a Blender to render with, on both sides, instead of the bpy package")
    parser.add_argument("--allow-missing", action="store_true")
    for override in ("engine", "percentage", "samples", "scene"):
        parser.add_argument(f"--{override}")
    arguments = parser.parse_args()
    overrides = {
        name: getattr(arguments, name)
        for name in ("engine", "percentage", "samples", "scene")
        if getattr(arguments, name) is not None
    }
    with tempfile.TemporaryDirectory(prefix="netrender-verify-") as name:
        folder = Path(name)
        command = [*NETRENDER, "render", str(arguments.blend), "--slaves", "2", "--frames", arguments.frames]
        command += ["--output", str(folder / "farm")]
        command += [word for name, value in overrides.items() for word in (f"--{name}", value)]
        if arguments.blender:
            command += ["--blender", arguments.blender]
        if arguments.allow_missing:
            command.append("--allow-missing")
        if code := subprocess.run(command, check=False).returncode:
            return code
        local = reference.render(
            arguments.blend, folder / "local", arguments.frames, blender=arguments.blender, **overrides
        )
        differing = 0
        frames = sorted((folder / "farm").glob("*.exr"))
        for frame in frames:
            found = exr.differences(local / frame.name, frame)
            channels = len(exr.read(frame))
            print(f"{frame.name}: {'; '.join(found) or f'{channels} channels identical to the local render'}")
            differing += bool(found)
    print(f"{arguments.blend.name}: {len(frames) - differing} of {len(frames)} frames identical")
    return 1 if differing or not frames else 0


if __name__ == "__main__":
    sys.exit(main())
