"""Starts the renderer: ``python __main__.py`` with bpy, or ``blender -b --disable-autoexec -P __main__.py``.

Its one argument is ``--threads N`` (0: all), after ``--`` for a Blender.
"""

import argparse
import importlib
import os
import sys
import traceback
import types
from pathlib import Path

# The folder above is a package under some name, or an installed extension, whose __init__ would register operators and
# panels. We need neither, so it is imported as a bare package.
ADDON = "netrender_addon"


def main() -> None:
    package = types.ModuleType(ADDON)
    package.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules[ADDON] = package
    status = 1
    try:
        parser = argparse.ArgumentParser(prog="renderer")
        parser.add_argument("--threads", type=int, default=0)
        given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
        threads = importlib.import_module(f"{ADDON}.renderer.threads")
        with threads.blender_loads(parser.parse_args(given).threads):
            loop = importlib.import_module(f"{ADDON}.renderer.loop")
        status = loop.run()
    except BaseException:
        traceback.print_exc()
    finally:
        # Not sys.exit: Blender would go on to its own teardown, which can hang.
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
