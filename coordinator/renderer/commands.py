"""How a renderer is started."""

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import BlenderNotFoundError

REMEDY = 'install one with: pip install "netrender[blender]", or name a Blender with --blender PATH'


def script() -> Path:
    """The renderer's file: beside this package in a checkout or installation, or above it inside the extension."""
    root = Path(__file__).resolve().parents[2]
    inside_extension = root / "renderer" / "__main__.py"
    return inside_extension if inside_extension.is_file() else root / "blender_addon" / "renderer" / "__main__.py"


def command(
    blender: str | None, threads: int = 0, *, devices: Sequence[str] = (), allow_scripts: bool = False
) -> list[str]:
    """The command line that starts a renderer, which uses ``threads`` threads, or all for 0, and these devices.

    ``blender`` is a Blender's executable, or a Python (named ``python...``) that can import bpy; None is this Python.
    Raises BlenderNotFoundError if there is no such thing.
    """
    arguments = [str(script()), "--threads", str(threads)]
    for device in devices:
        arguments += ["--device", device]
    if allow_scripts:
        arguments.append("--allow-scripts")
    if blender is None:
        if importlib.util.find_spec("bpy") is None:
            raise BlenderNotFoundError(f"no Blender: {sys.executable} has no module bpy; {REMEDY}")
        return [sys.executable, *arguments]
    path = Path(blender).expanduser()
    # A file here comes before a program on the PATH, which `./blender` would become once it is a Path.
    program = shutil.which(str(path.absolute() if path.exists() else path))
    if program is None:
        why = "is not an executable program" if Path(blender).exists() else "does not exist"
        raise BlenderNotFoundError(f"no Blender: {blender!r} {why}; {REMEDY}")
    if Path(program).name.lower().startswith("python"):
        return [program, *arguments]
    # Blender itself takes the number too: for what is not the render, and was started before our script.
    scripts = "--enable-autoexec" if allow_scripts else "--disable-autoexec"
    return [program, "-b", scripts, "-t", str(threads), "-P", str(script()), "--", *arguments[1:]]
