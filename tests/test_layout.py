"""The rules of docs/architecture.md, kept by reading the imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

IO_MODULES = {
    "asyncio",
    "aiohttp",
    "http",
    "logging",
    "os",
    "pathlib",
    "queue",
    "requests",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
}


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"no modules in {folder}"
    return found


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(level, dotted name) of every import, those inside functions too; level 0 is absolute."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def absolute(path: Path) -> set[str]:
    return {name.partition(".")[0] for level, name in imports(path) if level == 0}


@pytest.mark.parametrize("path", modules("coordinator"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_coordinator_never_imports_bpy_and_imports_itself_relatively(path: Path) -> None:
    assert not absolute(path) & {"bpy", "_cycles", "mathutils", "blender_addon", "coordinator"}


@pytest.mark.parametrize("folder", ["coordinator/protocol", "coordinator/scheduling"])
def test_protocol_and_scheduling_do_no_io(folder: str) -> None:
    for path in modules(folder):
        assert not absolute(path) & IO_MODULES, path
        assert "open(" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("folder", ["coordinator/protocol", "coordinator/scheduling"])
def test_they_reach_nothing_of_ours_that_does_io(folder: str) -> None:
    allowed = {"errors", "constants", "protocol"}
    for path in modules(folder):
        above = {name.partition(".")[0] for level, name in imports(path) if level >= 2}
        assert above <= allowed, path


def test_the_renderer_uses_nothing_but_the_standard_library_and_bpy() -> None:
    import sys

    for path in [*modules("blender_addon/renderer"), ROOT / "blender_addon" / "compat.py"]:
        foreign = absolute(path) - set(sys.stdlib_module_names) - {"bpy", "_cycles", "cycles", "blender_addon"}
        assert not foreign, path


def test_version_branches_live_in_compat_alone() -> None:
    for path in modules("blender_addon"):
        if path.name != "compat.py":
            assert "bpy.app.version" not in path.read_text(encoding="utf-8").replace("bpy.app.version_string", ""), path


def test_what_blenders_window_will_import_is_synchronous() -> None:
    """Blender's window uses the client on a thread of its own; aiohttp lives in other processes."""
    for path in [*modules("coordinator/client"), ROOT / "coordinator" / "gathering.py"]:
        assert not absolute(path) & {"aiohttp", "asyncio"}, path


def at_run_time(path: Path) -> set[str]:
    """Absolute imports, without those that are for the type checker alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body.clear()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", modules("blender_addon"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_extension_reaches_the_coordinator_by_one_door_and_imports_no_event_loop(path: Path) -> None:
    assert not at_run_time(path) & {"coordinator", "blender_addon", "aiohttp", "asyncio", "zeroconf"}
