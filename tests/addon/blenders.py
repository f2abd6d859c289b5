"""A Blender of its own for a test: processes of this Python's bpy package that share a folder for user files."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = "bl_ext.user_default.netrender"

BEFORE = """
import json, os, sys
import addon_utils, bpy

def tell(value):
    print("told:" + json.dumps(value), flush=True)

"""
# A Blender that ends as a Python module does may hang there, or crash.
AFTER = "\nsys.stdout.flush(); sys.stderr.flush(); os._exit(0)\n"


@frozen
class Answer:
    told: list[Any]  # what the script told
    printed: list[str]  # everything else, on both streams


@frozen
class Blender:
    user: Path

    def run(self, script: str, *arguments: str | Path) -> Answer:
        """Run a script, which calls ``tell`` with what the test wants to know."""
        self.user.mkdir(exist_ok=True)
        environment = {**os.environ, "BLENDER_USER_RESOURCES": str(self.user), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            # Faults are told, not left for a core file; a script that hangs says where.
            [sys.executable, "-X", "faulthandler", "-c", BEFORE + script + AFTER, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        lines = done.stdout.splitlines()
        told = [json.loads(line.removeprefix("told:")) for line in lines if line.startswith("told:")]
        return Answer(told, [line for line in lines if not line.startswith("told:")])

    def install(self, extension: Path) -> None:
        """Install and enable the extension, and keep that in the preferences."""
        answer = self.run(INSTALL, extension)
        assert answer.told == [["FINISHED"]], answer


INSTALL = """
bpy.ops.wm.read_factory_settings()
tell(list(bpy.ops.extensions.package_install_files(
    repo="user_default", filepath=sys.argv[1], enable_on_install=True)))
bpy.ops.wm.save_userpref()
"""
