"""Compiles the OSL shaders that are files: Cycles would do it when it renders, and write the result beside the source.

A job's folder is nothing to write to: its files are the slave's cache, and a confined renderer could not.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from . import references


def compile_files() -> None:
    """Have Cycles use what is compiled in the folder for temporary files; what does not compile, Cycles names."""
    try:
        import _cycles
    except ImportError:  # a Blender without Cycles
        return
    if not _cycles.with_osl:
        return
    for reference in list(references.references()):
        source = reference.path
        if reference.kind != "OSL" or Path(source).suffix.lower() != ".osl" or not Path(source).is_file():
            continue
        with tempfile.NamedTemporaryFile(prefix=Path(source).stem + "-", suffix=".oso", delete=False) as compiled:
            pass
        if _cycles.osl_compile(source, compiled.name):
            reference.set(compiled.name)
