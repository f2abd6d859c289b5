"""``netrender`` without an installed extension: any machine that has Blender, and this folder.

    blender -b -P PATH/netrender/headless.py -- slave --coordinator 'netrender://HOST:8470/#KEY'
    python PATH/netrender/headless.py coordinator

The extension starts its own children by the second form.
"""

import importlib.util
import os
import sys
import types
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# The folder is a package under some name, or an installed extension, whose __init__ would register operators and
# panels. We need neither, so it is imported as a bare package.
ADDON = "netrender_headless"


def arguments() -> list[str]:
    """Ours: in Blender those after ``--``."""
    if "bpy" not in sys.modules:
        return sys.argv[1:]
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def find_packages() -> None:
    """Where the packages are that we need: installed beside us by Blender, or the wheels as they came in the zip."""
    sys.path[:] = [folder for folder in sys.path if folder != str(FOLDER)]  # our modules are no top-level modules
    if importlib.util.find_spec("aiohttp") is None:
        # Pure Python wheels can be imported as they are; what Blender has installed is compiled, and starts faster.
        sys.path[:0] = sorted(map(str, (FOLDER / "wheels").glob("*.whl")))
    if not (FOLDER / "coordinator").is_dir():  # a checkout
        sys.path.insert(0, str(FOLDER.parent))


def main() -> int:
    package = types.ModuleType(ADDON)
    package.__path__ = [str(FOLDER)]
    sys.modules[ADDON] = package
    find_packages()
    code: int = importlib.import_module(f"{ADDON}.command").run(arguments())
    return code


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: Blender would go on to its own teardown, or open a window.
    os._exit(status)
