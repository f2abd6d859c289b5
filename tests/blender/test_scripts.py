"""Scripts inside a .blend: none runs on a slave, wherever in the file it is, unless the machine's owner allows it."""

import sys
from pathlib import Path
from typing import Any

import pytest

from .. import exr, scenes
from .renderers import MAIN, RendererProcess

pytestmark = pytest.mark.blender

SCRIPTS = """
import os
text = bpy.data.texts.new("evil.py")
text.write("open({registered!r}, 'w')")
text.use_module = True
driver = bpy.data.objects["Cube"].driver_add("scale", 0).driver
driver.type = "SCRIPTED"
driver.expression = "1 if open({driver!r}, 'w') else 1"
style = bpy.data.texts.new("style.py")
style.write("open({style!r}, 'w')")
scene.render.use_freestyle = True
layer = scene.view_layers[0]
layer.freestyle_settings.mode = "SCRIPT"
layer.freestyle_settings.modules.new().script = style
bpy.context.preferences.filepaths.use_scripts_auto_execute = False
"""


def test_scripts_in_the_file_do_not_run(renderer: RendererProcess, tmp_path: Path) -> None:
    names = ("registered", "driver", "style")
    traps = {name: str(tmp_path / f"{name}.trap") for name in names}
    blend = scenes.build("simple", tmp_path / "s.blend", then=SCRIPTS.format(**traps))
    for trap in traps.values():
        Path(trap).unlink(missing_ok=True)  # the driver may have run when the scene was built
    assert renderer.open(blend)["type"] == "opened"
    assert renderer.render(1, tmp_path / "0001.exr")["type"] == "rendered"
    assert not [path.name for path in tmp_path.glob("*.trap")]


def test_scripts_that_the_machines_owner_allows_run(tmp_path: Path) -> None:
    names = ("registered", "driver", "style")
    traps = {name: tmp_path / f"{name}.trap" for name in names}
    script = SCRIPTS.format(**{name: str(path) for name, path in traps.items()})
    blend = scenes.build("simple", tmp_path / "s.blend", then=script)
    for trap in traps.values():
        trap.unlink(missing_ok=True)
    command = [sys.executable, str(MAIN), "--allow-scripts"]
    with RendererProcess(errors=tmp_path / "renderer.log", command=command) as allowed:
        assert allowed.open(blend)["type"] == "opened"
        assert allowed.render(1, tmp_path / "0001.exr")["type"] == "rendered"
    assert {name for name, path in traps.items() if path.exists()} == set(names)


# A style module in each view layer; Blender 5.0 runs it although scripts are off.
STYLE = """
def style(scene, trap, mode="SCRIPT"):
    text = bpy.data.texts.new("style.py")
    text.write(f"open({{trap!r}}, 'w')")
    scene.render.use_freestyle = True
    for layer in scene.view_layers:
        layer.freestyle_settings.mode = mode
        layer.freestyle_settings.modules.new().script = text
"""
# The linked scene is of another size than the local one, so that a result says which of them was rendered.
LINKED = (
    STYLE
    + """
style(scene, {linked!r})
scene.render.resolution_x = 16
bpy.ops.wm.save_as_mainfile(filepath={library!r}, copy=True)
scene.render.resolution_x = 32
for module in list(scene.view_layers[0].freestyle_settings.modules):
    scene.view_layers[0].freestyle_settings.modules.remove(module)
style(scene, {local!r})
with bpy.data.libraries.load({library!r}, link=True) as (_, wanted):
    wanted.scenes = ["Scene"]
linked = wanted.scenes[0]
linked.use_fake_user = True
"""
)


def build_with_a_linked_scene(folder: Path, then: str = "") -> Path:
    """A scene, and one of the same name from a library. Both have a style module that leaves a file behind."""
    names = {name: str(folder / f"{name}.trap") for name in ("linked", "local")}
    script = LINKED.format(**names, library=str(folder / "library.blend"))
    return scenes.build("simple", folder / "s.blend", then=script + then)


def assert_no_script_ran(folder: Path) -> None:
    assert [path.name for path in folder.glob("*.trap")] == []


HOLDERS = {
    "nothing": "",
    "the background": "scene.background_set = linked",
    "the compositor": (
        "tree = bpy.data.node_groups.new('C', 'CompositorNodeTree')\n"
        "if hasattr(scene, 'compositing_node_group'): scene.compositing_node_group = tree\n"
        "else: scene.use_nodes = True; tree = scene.node_tree\n"
        "tree.nodes.new('CompositorNodeRLayers').scene = linked\n"
    ),
    "a strip": (
        "editor = scene.sequence_editor_create()\n"
        "strips = editor.strips if hasattr(editor, 'strips') else editor.sequences\n"
        "strips.new_scene('S', linked, 1, 1)\n"
    ),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("name", ["Scene", None])
def test_of_two_scenes_of_a_name_the_local_one_renders_and_no_script_runs(
    renderer: RendererProcess, tmp_path: Path, name: str | None, holder: str
) -> None:
    blend = build_with_a_linked_scene(tmp_path, HOLDERS[holder])
    assert renderer.open(blend, scene=name)["type"] == "opened"
    assert renderer.render(1, tmp_path / "0001.exr")["type"] == "rendered"
    assert_no_script_ran(tmp_path)
    assert {pixels.shape for pixels in exr.read(tmp_path / "0001.exr").values()} == {(24, 32)}


def test_a_linked_scene_that_has_its_name_alone_renders_and_no_script_runs(
    renderer: RendererProcess, tmp_path: Path
) -> None:
    blend = build_with_a_linked_scene(tmp_path, "scene.name = 'Local'")
    assert renderer.open(blend, scene="Scene")["type"] == "opened"
    assert renderer.render(1, tmp_path / "0001.exr")["type"] == "rendered"
    assert_no_script_ran(tmp_path)
    assert {pixels.shape for pixels in exr.read(tmp_path / "0001.exr").values()} == {(24, 16)}


@pytest.mark.parametrize("command", ["open", "inspect"])
def test_the_active_scene_is_refused_where_its_name_means_another(
    renderer: RendererProcess, tmp_path: Path, command: str
) -> None:
    """What is confined and what is rendered were two scenes here: the linked one, and the local one of its name."""
    blend = build_with_a_linked_scene(tmp_path, "bpy.context.window.scene = linked")
    answer: dict[str, Any] = getattr(renderer, command)(blend)
    renderer.render(1, tmp_path / "0001.exr")
    assert_no_script_ran(tmp_path)
    assert (answer["type"], answer["code"]) == ("error", "bad-scene")
    for words in ("2 scenes are called 'Scene'", "in the file itself", "library.blend", "rename one of them"):
        assert words in answer["message"]


def test_two_linked_scenes_of_a_name_are_refused(renderer: RendererProcess, tmp_path: Path) -> None:
    then = f"""
import shutil
scene.name = "Local"
shutil.copy({str(tmp_path / "library.blend")!r}, {str(tmp_path / "other.blend")!r})
with bpy.data.libraries.load({str(tmp_path / "other.blend")!r}, link=True) as (_, wanted):
    wanted.scenes = ["Scene"]
wanted.scenes[0].use_fake_user = True
"""
    blend = build_with_a_linked_scene(tmp_path, then)
    answer = renderer.open(blend, scene="Scene")
    assert (answer["type"], answer["code"]) == ("error", "bad-scene")
    for words in ("2 scenes are called 'Scene'", "library.blend", "other.blend"):
        assert words in answer["message"]


ANIMATED_MODE = (
    STYLE
    + """
style(scene, {trap!r}, mode="EDITOR")
path = f'view_layers["{{scene.view_layers[0].name}}"].freestyle_settings.mode'
action = (scene.animation_data or scene.animation_data_create()).action = bpy.data.actions.new("A")
if hasattr(action, "slots"):
    scene.animation_data.action_slot = action.slots.new("SCENE", "S")
if hasattr(action, "fcurves"):
    curve = action.fcurves.new(path)
else:
    strip = action.layers.new("L").strips.new(type="KEYFRAME")
    curve = strip.channelbag(action.slots[0], ensure=True).fcurves.new(path)
modes = scene.view_layers[0].freestyle_settings.bl_rna.properties["mode"].enum_items
curve.keyframe_points.insert(1, modes["EDITOR"].value)
curve.keyframe_points.insert(2, modes["SCRIPT"].value)
"""
)


def test_a_style_module_whose_mode_is_animated_does_not_run(renderer: RendererProcess, tmp_path: Path) -> None:
    trap = str(tmp_path / "animated.trap")
    blend = scenes.build("simple", tmp_path / "s.blend", then=ANIMATED_MODE.format(trap=trap))
    assert renderer.open(blend)["type"] == "opened"
    for frame in (1, 2):
        assert renderer.render(frame, tmp_path / f"{frame}.exr")["type"] == "rendered"
    assert_no_script_ran(tmp_path)
