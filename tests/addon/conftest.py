"""The extension as users get it, and Blenders to install it in."""

from pathlib import Path

import pytest

from scripts.lib import build_extension

from .blenders import Blender


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip for Linux."""
    (path,) = build_extension.build(tmp_path_factory.mktemp("extension"), ["linux-x64"])
    return path


@pytest.fixture
def blender(tmp_path: Path) -> Blender:
    """The bpy package, with user files of its own."""
    return Blender(tmp_path / "user")
