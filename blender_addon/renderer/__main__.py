"""Starts the renderer: ``python __main__.py`` with bpy, or ``blender -b --disable-autoexec -P __main__.py``.

Its arguments, after ``--`` for a Blender, are what the slave renders with, whatever the scene.
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
        parser.add_argument("--threads", type=int, default=0, help="0 for all cores")
        parser.add_argument("--device", action="append", default=[], help="that Cycles renders on, see devices.py")
        parser.add_argument("--allow-scripts", action="store_true", help="run the scripts inside a .blend")
        parser.add_argument("--confine", action="store_true", help="give up what rendering does not need")
        parser.add_argument("--read", action="append", default=[], help="confined, it reads this folder too")
        parser.add_argument("--tree", help="confined, it reads the job's files in this folder")
        parser.add_argument("--write", action="append", default=[], help="confined, it writes to this folder too")
        parser.add_argument("--cache", help="confined, it keeps here what drivers compute")
        parser.add_argument("--confined", action="store_true", help="it was started again, confined")
        given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
        threads = importlib.import_module(f"{ADDON}.renderer.threads")
        options = parser.parse_args(given)
        confinement = importlib.import_module(f"{ADDON}.renderer.confinement")
        if options.confine and not options.confined:
            confinement.enforce(options.tree, options.read, options.write, options.cache)
        with threads.blender_loads(options.threads):
            loop = importlib.import_module(f"{ADDON}.renderer.loop")
        held = confinement.check() if options.confine else confinement.NONE
        status = loop.run(options.device, allow_scripts=options.allow_scripts, held=held)
    except BaseException:
        traceback.print_exc()
    finally:
        # Not sys.exit: Blender would go on to its own teardown, which can hang.
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
