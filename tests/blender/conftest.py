"""Scenes built once, and renderers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .. import scenes
from .renderers import RendererProcess


@pytest.fixture(scope="session")
def scene_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds a scene of tests/scenes.py the first time that it is asked for."""
    folder = tmp_path_factory.mktemp("scenes")

    def build(name: str) -> Path:
        blend = folder / f"{name}.blend"
        return blend if blend.exists() else scenes.build(name, blend)

    return build


@pytest.fixture
def start_renderer(tmp_path: Path) -> Iterator[Callable[[], RendererProcess]]:
    """Starts renderers; ends them after the test."""
    with ExitStack() as stack:
        count = iter(range(100))
        yield lambda: stack.enter_context(RendererProcess(errors=tmp_path / f"renderer{next(count)}.log"))


@pytest.fixture
def renderer(start_renderer: Callable[[], RendererProcess]) -> RendererProcess:
    """One renderer."""
    return start_renderer()
