"""Enabled, disabled and enabled again; installed over an older one; and nothing is left behind."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .blenders import EXTENSION, ROOT, Blender

pytestmark = pytest.mark.blender

STATE = f"""
import threading

def subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)

def state():
    import gc; gc.collect()
    configs = bpy.context.window_manager.keyconfigs
    return {{
        "classes": sorted(c.__name__ for c in subclasses(bpy.types.bpy_struct)
                          if c.__module__.startswith("{EXTENSION}") and c.is_registered),
        "operators": [name for name in dir(bpy.ops) if name == "netrender"],
        "properties": {{name: sorted(getattr(bpy.types, name).bl_rna.properties.keys())
                       for name in ("Scene", "WindowManager", "Object", "Image", "Screen")}},
        "scene": sorted(bpy.context.scene.keys()),
        "handlers": {{name: len(handlers) for name in dir(bpy.app.handlers)
                     if isinstance(handlers := getattr(bpy.app.handlers, name), list)}},
        "keymaps": sorted((c.name, m.name, len(m.keymap_items)) for c in configs for m in c.keymaps),
        "threads": sorted(t.name for t in threading.enumerate()),
    }}
"""

CYCLE = (
    STATE
    + f"""
import importlib
before = state()
for _ in range(2):
    assert addon_utils.enable("{EXTENSION}", default_set=True)
    session = importlib.import_module("{EXTENSION}.session")
    session.watch(session.where(bpy.context.scene))  # a thread, a timer, and nobody who answers
    during = [state(), session.is_watching(), bpy.app.timers.is_registered(session._tick)]
    addon_utils.disable("{EXTENSION}", default_set=True)
    for thread in threading.enumerate():
        if thread.name.startswith("netrender"):
            thread.join(60)
    tell([before, *during, state(), bpy.app.timers.is_registered(session._tick)])
"""
)


def test_enabled_disabled_and_enabled_again_leaves_nothing(blender: Blender, extension_zip: Path) -> None:
    blender.install(extension_zip)
    blender.run(f'addon_utils.disable("{EXTENSION}", default_set=True); bpy.ops.wm.save_userpref()')
    answer = blender.run(CYCLE)
    assert answer.printed == []
    assert len(answer.told) == 2
    for before, during, watching, ticking, after, still_ticking in answer.told:
        assert "NETRENDER_AP_preferences" in during["classes"]
        assert "netrender" in during["properties"]["Scene"]
        assert (watching, ticking, still_ticking) == (True, True, False)
        assert after == before


def test_packages_that_were_gone_for_a_while_are_found_again(blender: Blender, extension_zip: Path) -> None:
    """A thread may look for one at the moment in which a disabling takes it away: Python remembers such folders."""
    blender.install(extension_zip)
    blender.run(f'addon_utils.disable("{EXTENSION}", default_set=True); bpy.ops.wm.save_userpref()')
    script = f"""
import os
packages = "lib/python{{}}.{{}}/site-packages".format(*sys.version_info)
folder = os.path.join(bpy.utils.user_resource("EXTENSIONS"), ".local", packages, "requests")
tell(os.path.exists(folder))
sys.path_importer_cache[folder] = None
assert addon_utils.enable("{EXTENSION}", default_set=True)
tell([os.path.exists(folder), folder in sys.path_importer_cache])
"""
    answer = blender.run(script)
    assert (answer.told, answer.printed) == ([False, [True, False]], [])


def test_it_is_enabled_when_blender_starts_again(installed: Blender) -> None:
    """And has imported no event loop: aiohttp and zeroconf live in other processes; Blender would start later."""
    answer = installed.run(
        "tell([hasattr(bpy.context.scene, 'netrender'), sorted({'aiohttp', 'zeroconf'} & set(sys.modules))])"
    )
    assert (answer.told, answer.printed) == ([[True, []]], [])


def changed(extension: Path, path: Path, mark: str) -> Path:
    """The same version of the extension with other code: a line at the end of these modules."""
    with zipfile.ZipFile(extension) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name in ("command.py", "coordinator/constants.py"):
                data += f"\nMARK = {mark!r}\n".encode()
            new.writestr(name, data)
    return path


MARKS = f"""
import importlib
def marks():
    names = ("command", "farm")
    command, farm = (importlib.import_module("{EXTENSION}." + name) for name in names)
    return [getattr(command, "MARK", None), getattr(farm.constants, "MARK", None)]
"""


def test_a_new_build_over_an_old_one_runs_the_new_code(blender: Blender, extension_zip: Path, tmp_path: Path) -> None:
    new = changed(extension_zip, tmp_path / "new.zip", "new")
    blender.install(extension_zip)
    script = """
tell(marks())
bpy.ops.extensions.package_install_files(repo="user_default", filepath=arguments[0], enable_on_install=True)
tell(marks())
"""
    assert blender.run(MARKS + script, new).told == [[None, None], ["new", "new"]], "in the Blender that runs"
    assert blender.run(MARKS + "tell(marks())").told == [["new", "new"]], "and in one that starts later"


BROKEN = (
    STATE
    + f"""
import importlib, types
addon_utils.disable("{EXTENSION}")
before = state()
registration = importlib.import_module("{EXTENSION}.registration")
def fail():
    raise RuntimeError("no")
sys.modules["{EXTENSION}.broken"] = types.SimpleNamespace(register=fail)
registration.MODULES += ("broken",)
try:
    registration.register()
except RuntimeError as error:
    tell(str(error))
tell(state() == before)
registration.MODULES = registration.MODULES[:-1]
registration.register()
tell("NETRENDER_AP_preferences" in state()["classes"])
registration.unregister()
"""
)


def test_what_fails_to_register_leaves_nothing(installed: Blender) -> None:
    assert installed.run(BROKEN).told == ["no", True, True]


def test_importing_it_imports_no_blender() -> None:
    """The renderer of a slave lies in this package."""
    script = "import sys, blender_addon; assert not {'bpy', 'coordinator'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
