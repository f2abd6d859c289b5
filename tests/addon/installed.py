"""Runs inside Blender: ``blender_addon`` and ``coordinator`` are, for tests, those of the installed extension.

Else a test would look at a second copy of each module, of which Blender knows nothing.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

EXTENSION = "bl_ext.user_default.netrender"
PLACES = {"blender_addon": EXTENSION, "coordinator": f"{EXTENSION}.coordinator"}


class Installed(MetaPathFinder, Loader):
    """Gives each module of the checkout the one of the extension in its place."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name.partition(".")[0] in PLACES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        package, dot, rest = spec.name.partition(".")
        module = importlib.import_module(PLACES[package] + dot + rest)
        self._specs[module.__name__] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._specs.pop(module.__name__)  # the import has put its own there


def use() -> None:
    """If the extension is there and enabled."""
    if EXTENSION in sys.modules:
        sys.meta_path.insert(0, Installed())
