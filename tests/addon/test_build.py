"""The zips: what is in them, and that they are the same each time."""

import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import coordinator
from scripts.lib import build_extension

ROOT = build_extension.ROOT
IN_BLENDER = {"numpy", "zstandard"}  # what Blender brings itself
NOT_NEEDED = {"uvloop"}  # a faster event loop; there is no pure Python wheel of it


def manifest(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return tomllib.loads(archive.read("blender_manifest.toml").decode())


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return build_extension.build(tmp_path_factory.mktemp("zips"))


def test_one_a_platform(zips: list[Path]) -> None:
    platforms = [manifest(path)["build"]["generated"]["platforms"] for path in zips]
    assert platforms == [["linux-x64"], ["macos-arm64"], ["macos-x64"], ["windows-x64"]]


def test_the_same_input_gives_the_same_bytes(zips: list[Path], tmp_path: Path) -> None:
    again = build_extension.build(tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in zips]


def test_what_is_inside(zips: list[Path]) -> None:
    with zipfile.ZipFile(zips[0]) as archive:
        names = set(archive.namelist())
    expected = {"__init__.py", "LICENSE", "headless.py", "renderer/__main__.py", "coordinator/cli/__init__.py"}
    assert expected <= names
    for folder in ("blender_addon", "coordinator"):
        inside = "" if folder == "blender_addon" else "coordinator/"
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert inside + path.relative_to(ROOT / folder).as_posix() in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    wheels = {name for name in names if name.startswith("wheels/")}
    assert {f"./{name}" for name in wheels} == set(manifest(zips[0])["wheels"])
    assert all(name.endswith("-py3-none-any.whl") for name in wheels), "one wheel for every platform and Python"


def test_the_version_is_the_projects() -> None:
    with (ROOT / "blender_addon" / "blender_manifest.toml").open("rb") as file:
        assert tomllib.load(file)["version"] == coordinator.__version__


def test_every_dependency_is_locked() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        declared = {re.split(r"[><=; ]", text)[0] for text in tomllib.load(file)["project"]["dependencies"]}
    locked = set(re.findall(r"^([\w-]+)==", build_extension.LOCK.read_text(), re.MULTILINE))
    assert declared - locked == NOT_NEEDED | IN_BLENDER
    assert not (NOT_NEEDED | IN_BLENDER) & locked


def test_a_manifest_that_blender_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "blender_manifest.toml").write_text('schema_version = "1.0.0"\n')
    with pytest.raises(SystemExit, match="validate failed"):
        build_extension.blender_ext("validate", str(tmp_path))
