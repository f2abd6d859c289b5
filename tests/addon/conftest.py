"""The extension as users get it, and Blenders to install it in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib import build_extension

from ..process_farm import ProcessFarm, process_farm
from .blenders import PROGRAM, Blender


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip for Linux."""
    (path,) = build_extension.build(tmp_path_factory.mktemp("extension"), ["linux-x64"])
    return path


@pytest.fixture
def blender(tmp_path: Path) -> Blender:
    """The bpy package, with user files of its own."""
    return Blender(tmp_path / "user")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, extension_zip: Path) -> Blender:
    """One with the extension, for tests that leave it as it is."""
    blender = Blender(tmp_path_factory.mktemp("installed") / "user")
    blender.install(extension_zip)
    return blender


@pytest.fixture
def extended(blender: Blender, request: pytest.FixtureRequest) -> Blender:
    """The same, where ``import blender_addon`` works: a program gets the packages that we need with the extension."""
    if PROGRAM is not None:
        blender.install(request.getfixturevalue("extension_zip"))
    return blender


@pytest.fixture(scope="session")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessFarm]:
    """A coordinator and two slaves of the same Blender."""
    with process_farm(tmp_path_factory.mktemp("farm"), ["one", "two"], blender=PROGRAM) as running:
        yield running
