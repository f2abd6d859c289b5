"""A Blender of its own for a test: processes that share a folder for user files.

They are this Python's bpy package or, under ``scripts/test_in_blender``, the program that it was given.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = "bl_ext.user_default.netrender"
PROGRAM = os.environ.get("NETRENDER_BLENDER")  # set by scripts/test_in_blender

BEFORE = """
import json, os, sys
import bpy
import addon_utils
from tests.addon import installed

if not bpy.app.binary_path:
    bpy.ops.wm.read_userpref()  # as a Blender does when it starts, with its add-ons
arguments = sys.argv[sys.argv.index("--") + 1:]
installed.use()

def failed(*error):
    sys.__excepthook__(*error)
    sys.stderr.flush()
    os._exit(1)  # Blender as a Python module hangs at its end if an engine is registered

sys.excepthook = failed

def tell(value):
    print("told:" + json.dumps(value), flush=True)

"""
# What a Blender says by itself when it starts; the second in a container.
BANNER = re.compile(r"^Blender \d|ould not get a list of mounted file-systems$")

# A Blender that ends as a Python module does may hang there, or crash.
AFTER = "\nsys.stdout.flush(); sys.stderr.flush(); os._exit(0)\n"


@frozen
class Answer:
    told: list[Any]  # what the script told
    printed: list[str]  # everything else, on both streams

    @classmethod
    def of(cls, lines: list[str]) -> Self:
        told = [json.loads(line.removeprefix("told:")) for line in lines if line.startswith("told:")]
        return cls(told, [line for line in lines if not line.startswith("told:") and not BANNER.search(line)])


@frozen
class Blender:
    user: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "BLENDER_USER_RESOURCES": str(self.user),
            "XDG_DATA_HOME": str(self.user / "data"),
            "PYTHONPATH": str(ROOT),
        }

    def run(self, script: str, *arguments: str | Path) -> Answer:
        """Run a script, which calls ``tell`` with what the test wants to know."""
        return Answer.of(self._run(self._command(script, arguments)))

    def start(self, script: str, *arguments: str | Path) -> "subprocess.Popen[str]":
        """Begin to run a script; the caller ends it."""
        return subprocess.Popen(
            self._command(script, arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The program, in background, with its own arguments."""
        assert PROGRAM is not None
        self.user.mkdir(exist_ok=True)
        return subprocess.run(
            [PROGRAM, "-b", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            check=False,
        )

    def install(self, extension: Path) -> None:
        """Install and enable the extension, and keep that in the preferences."""
        if PROGRAM is None:
            answer = self.run(INSTALL, extension)
            assert answer.told == [["FINISHED"]], answer
        else:
            done = self.call("-c", "extension", "install-file", "-r", "user_default", "--enable", str(extension))
            assert done.returncode == 0, done.stdout

    def _command(self, script: str, arguments: tuple[str | Path, ...]) -> list[str]:
        self.user.mkdir(exist_ok=True)
        file = self.user.with_name(f"{self.user.name}-script.py")
        file.write_text(BEFORE + script + AFTER)
        if PROGRAM is None:
            # Faults are told, not left for a core file; a script that hangs says where.
            command = [sys.executable, "-X", "faulthandler", str(file)]
        else:
            command = [PROGRAM, "-b", "--python-use-system-env", "--python-exit-code", "1", "-P", str(file)]
        return [*command, "--", *map(str, arguments)]

    def _run(self, command: list[str]) -> list[str]:
        """What it printed."""
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment, check=False
        )
        assert done.returncode == 0, done.stdout
        return done.stdout.splitlines()


INSTALL = """
bpy.ops.wm.read_factory_settings()
tell(list(bpy.ops.extensions.package_install_files(
    repo="user_default", filepath=arguments[0], enable_on_install=True)))
bpy.ops.wm.save_userpref()
"""
