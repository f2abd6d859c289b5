"""Files that a file mentions, and that Blender does not know of: layers of a USD stage, includes of an OSL shader."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_USD = re.compile(r"@([^@\n]+)@")  # an asset path in USD's text format
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"\n]+)"', re.MULTILINE)


def of(kind: str, path: str) -> list[str]:
    """Absolute paths of files that are there."""
    if kind == "cache file" and Path(path).suffix.lower() in (".usd", ".usda", ".usdc", ".usdz"):
        return _stage(path)
    if kind in ("OSL", "text") and Path(path).suffix.lower() == ".osl":
        return sorted(_mentioned(path, _INCLUDE, set()))
    return []


def _stage(path: str) -> list[str]:
    try:
        # Blender's own builds have it; the bpy package and some distributions' do not.
        usd: Any = importlib.import_module("pxr.UsdUtils")
    except ImportError:
        return sorted(_mentioned(path, _USD, set()))
    layers, assets, _ = usd.ComputeAllDependencies(path)
    found = {os.path.normpath(file) for file in [*(layer.realPath for layer in layers), *map(str, assets)]}
    return sorted(file for file in found if file != path and Path(file).is_file())


def _mentioned(path: str, pattern: re.Pattern[str], seen: set[str]) -> Iterator[str]:
    """Also what those mention. A binary file mentions nothing that could be read here."""
    seen.add(path)
    try:
        text = Path(path).read_text(errors="ignore")
    except OSError:
        return
    if "\0" in text:
        return
    for name in pattern.findall(text):
        file = os.path.normpath(Path(path).parent / name)
        if file not in seen and Path(file).is_file():
            yield file
            yield from _mentioned(file, pattern, seen)
