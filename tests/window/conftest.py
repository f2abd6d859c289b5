"""These tests need a Blender with a window: scripts/test_in_blender names one, and sees to the rest."""

from pathlib import Path

import pytest

from scripts.lib import build_extension

from ..addon.blenders import PROGRAM, Blender

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if PROGRAM is None:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="needs a window: run scripts/test_in_blender BLENDER"))


@pytest.fixture(scope="session")
def program() -> str:
    assert PROGRAM is not None
    return PROGRAM


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip for Linux."""
    (path,) = build_extension.build(tmp_path_factory.mktemp("extension"), ["linux-x64"])
    return path


@pytest.fixture
def blender(tmp_path: Path, extension: Path) -> Blender:
    """One with the extension, and user files of its own."""
    made = Blender(tmp_path / "user")
    made.install(extension)
    return made
