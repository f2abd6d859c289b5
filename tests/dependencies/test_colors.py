"""An OpenColorIO configuration that is not Blender's own travels with its job, and a slave's own does not count."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests import exr, reference, scenes
from tests.process_farm import process_farm

pytestmark = pytest.mark.blender

PICTURE = """
image = bpy.data.images.new("tmp", 4, 4)
image.generated_color = (0.5, 0.3, 0.1, 1)
image.filepath_raw, image.file_format = {path!r}, "PNG"
image.save()
tree = bpy.data.materials["Red"].node_tree
node = tree.nodes.new("ShaderNodeTexImage")
node.image = bpy.data.images.load({path!r})
node.image.filepath = "//a.png"
tree.links.new(node.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
"""


def own_configuration(folder: Path) -> Path:
    """Blender's with another curve for textures."""
    spec = importlib.util.find_spec("bpy")
    assert spec is not None and spec.origin is not None
    (blenders,) = Path(spec.origin).parent.rglob("colormanagement/config.ocio")
    shutil.copytree(blenders.parent, folder)
    config = folder / "config.ocio"
    head, name, tail = config.read_text().partition("    name: sRGB\n")
    assert "gamma: 2.4, " in tail
    config.write_text(head + name + tail.replace("gamma: 2.4, ", "gamma: 1.3, ", 1))
    return config


def test_the_jobs_configuration_is_used_and_not_the_slaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "client"
    config = own_configuration(client / "colors")
    blend = scenes.build("simple", client / "s.blend", then=PICTURE.format(path=str(client / "a.png")))
    plain = reference.render(blend, tmp_path / "plain", "1", threads=1)
    with monkeypatch.context() as patch, process_farm(tmp_path / "farm") as farm:
        without = farm.submit(blend, "--frames", "1")
        patch.setenv("OCIO", str(config))
        own = reference.render(blend, tmp_path / "own", "1", threads=1)
        with_own = farm.submit(blend, "--frames", "1")
        slaves = shutil.copytree(client / "colors", tmp_path / "slaves colors")
        client.rename(tmp_path / "away")
        patch.setenv("OCIO", str(slaves / "config.ocio"))
        farm.start_slave("slave")
        (first,) = farm.gather(without, tmp_path / "without")
        (second,) = farm.gather(with_own, tmp_path / "with own")
    assert exr.differences(plain / "0001.exr", own / "0001.exr"), "the configuration makes a difference"
    assert exr.differences(plain / "0001.exr", first) == []
    assert exr.differences(own / "0001.exr", second) == []
