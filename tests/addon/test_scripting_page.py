"""The script in docs/scripting.md does what the page says."""

import re
from pathlib import Path

import pytest

from ..process_farm import ProcessFarm
from . import pixels
from .blenders import ROOT, Blender

pytestmark = pytest.mark.blender

PAGE = ROOT / "docs" / "scripting.md"


def test_the_ten_lines(extended: Blender, farm: ProcessFarm, tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len([line for line in snippet.splitlines() if line]) <= 10
    script = (
        """
from tests.addon import films
films.plain()
films.enable()
bpy.ops.wm.save_as_mainfile(filepath=arguments[1])
"""
        + snippet.replace('"127.0.0.1:8470"', "arguments[0]")
        + """
tell(scene.netrender.job)
scene.render.filepath = "//local/####"
bpy.ops.render.render(animation=True)
"""
    )
    (job,) = extended.run(script, farm.url, tmp_path / "film.blend").told
    assert pixels.folders(tmp_path / "local", tmp_path / "frames") == []
    assert len(list((tmp_path / "frames").iterdir())) == 3
    with farm.client as client:
        assert client.job(job).priority == 5


def test_every_name_on_the_page_is_there(extended: Blender) -> None:
    page = PAGE.read_text()
    settings, operators = (part.split("\n## ")[0] for part in re.split(r"\n## [^\n]*\n", page)[1:3])
    properties = {name for cell in re.findall(r"^\| (`[^|]*) \|", settings, re.MULTILINE) for name in _names(cell)}
    names = {name for cell in re.findall(r"^\| (`[^|]*) \|", operators, re.MULTILINE) for name in _names(cell)}
    script = """
from tests.addon import films
films.enable()
tell(sorted(name for name in bpy.context.scene.netrender.bl_rna.properties.keys() if name != "rna_type"))
tell([name for name in dir(bpy.ops.netrender)])
"""
    there, registered = extended.run(script).told
    assert properties == set(there) - {"borrowed"}  # which is our own note, and nothing for scripts
    assert names - {"bpy.ops.netrender."} <= set(registered)
    assert len(names) > 8


def _names(cell: str) -> list[str]:
    return [text.split("(")[0] for text in re.findall(r"`([^`]+)`", cell)]
