"""What of this machine a renderer needs besides its job: programs, libraries, devices. Nothing of its users.

A place that is not there is no error: every system has others. What is named here must not hold what a person keeps.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# Programs, libraries and what belongs to them, by the file system hierarchy standard and of those who have their own.
# Not all of /usr, where images of containers have applications with their settings.
_SYSTEM = (
    *("bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "gnu/store", "run/opengl-driver", "snap"),
    *("usr/bin", "usr/sbin", "usr/lib", "usr/lib32", "usr/lib64", "usr/libx32", "usr/libexec", "usr/share"),
    *("usr/local/bin", "usr/local/lib*", "usr/local/share", "usr/local/cuda*", "app/lib", "var/cache/fontconfig"),
    *("opt/cuda", "opt/rocm*", "opt/amdgpu*", "opt/intel"),
)
# Not all of /etc: keys, and how this machine is set up.
_SETTINGS = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "locale.conf", "locale.alias", "fonts"),
    *("OpenCL", "vulkan", "glvnd", "egl", "drirc", "nvidia", "amd", "ati"),
)
# Not all of /proc: other processes' environments and open files. Not all of /sys: serial numbers.
_KERNEL = (
    *("proc/cpuinfo", "proc/meminfo", "proc/stat", "proc/version", "proc/filesystems", "proc/devices"),
    *("proc/modules", "proc/driver/nvidia*", "proc/sys/vm", "proc/sys/kernel/osrelease"),
    *("sys/devices/system", "sys/devices/pci*", "sys/devices/platform", "sys/devices/virtual/kfd"),
    *("sys/class/drm", "sys/class/kfd", "sys/dev/char", "sys/bus/pci", "sys/module/nvidia*", "sys/module/amdgpu"),
    "sys/kernel/mm/transparent_hugepage",
)
_DEVICES = (
    *("null", "zero", "full", "random", "urandom"),
    *("dri", "nvidia*", "kfd", "dxg", "mali*", "udmabuf", "dma_heap"),
)

_LIBRARIES = ("lib", "lib64")
_PACKAGES = ("site-packages", "dist-packages")
_MODULES = ("bpy", "numpy")  # wherever they are installed
_PREFERENCES = ("userpref.blend", "startup.blend")  # not what else is there: which files were open last, bookmarks


def to_read() -> Iterator[str]:
    """Folders and files, absolute; ``bpy`` is not loaded for it."""
    for path in _all_to_read():
        if Path(path).is_absolute():  # not what is relative or empty: it would be the folder that we were started in
            yield os.fspath(path)


def devices() -> Iterator[Path]:
    """What programs read and write: nothing, chance, GPUs."""
    return _matching("/dev", _DEVICES)


def _all_to_read() -> Iterator[str | Path]:
    yield from _matching("/", _SYSTEM)
    yield from _matching("/etc", _SETTINGS)
    yield from _matching("/", _KERNEL)
    yield Path(__file__).resolve().parent.parent  # the extension, or our package
    yield from _python()
    if "bpy" in sys.modules:  # a Blender has it from its start
        yield from _blender()


def _matching(folder: str, names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        yield from Path(folder).glob(name)


def _python() -> Iterator[str]:
    yield sys.executable or ""
    for name in ("stdlib", "platstdlib", "purelib", "platlib"):
        yield sysconfig.get_path(name)
    # Not all of these: a Python may be installed where its owner's files are.
    for prefix in {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}:
        for name in (*_LIBRARIES, "pyvenv.cfg"):
            yield str(Path(prefix, name))
    for entry in sys.path:
        if Path(entry).name in _PACKAGES:
            yield entry
    for module in _MODULES:
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(module)
            yield from (spec and spec.submodule_search_locations) or ()


def _blender() -> Iterator[str | Path]:
    import bpy  # here, as the rest is for a Python in which it is not loaded yet

    utils: Any = bpy.utils
    program = Path("/proc/self/exe").readlink()
    yield program
    yield from (program.parent / name for name in _LIBRARIES)
    yield from _loaded_libraries()
    yield from (utils.resource_path("LOCAL"), utils.resource_path("SYSTEM"))
    # The user's preferences say on which GPUs to render, and which add-ons there are.
    yield from (Path(utils.user_resource("CONFIG"), name) for name in _PREFERENCES)
    yield from map(utils.user_resource, ("SCRIPTS", "EXTENSIONS", "DATAFILES"))
    yield from (*utils.script_paths_pref(), *utils.script_paths_system_environment())
    context: Any = bpy.context
    yield from (repository.directory for repository in context.preferences.extensions.repos)


def _loaded_libraries() -> Iterator[str]:
    """Those that a Blender was started with from other places, as LD_LIBRARY_PATH says."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/")
        if ".so" in path[2]:
            yield "/" + path[2]
