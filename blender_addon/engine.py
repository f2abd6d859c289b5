"""The render engine NETRENDER: computes nothing, forwards to the functions that know where a result comes from."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import farm, modes, open_file, passes, properties, results, still


class NETRENDER_RenderEngine(bpy.types.RenderEngine):
    bl_idname = properties.ENGINE
    bl_label = "Network Render"
    bl_use_postprocess = True  # this Blender's compositor and sequencer
    bl_use_eevee_viewport = True
    bl_use_custom_freestyle = True  # the lines are in the result already
    bl_use_spherical_stereo = True

    def update_render_passes(self, scene: Any = None, renderlayer: Any = None) -> None:
        passes.register(self, results.real_engine(scene), scene, renderlayer)

    def render(self, depsgraph: Any) -> None:  # type: ignore[override]  # the stubs mean another attribute
        render(self, depsgraph)


def render(engine: Any, depsgraph: Any) -> None:
    """One view layer of one frame: from the cache, from the farm, or what a Master or a Slave calls rendering."""
    scene = depsgraph.scene
    layer, missing = depsgraph.view_layer_eval.name, []
    try:
        if scene.name not in results.sources and scene.netrender.mode != "CLIENT":
            modes.serve(engine, scene)
            return
        frame = _frame(engine, scene, layer)
        if frame is None:  # interrupted
            return
        missing = results.fill(engine, depsgraph, frame)
    except (results.NoResult, farm.errors.NetrenderError) as error:
        results.fail(scene, str(error), animation=engine.is_animation)
        engine.error_set(str(error))  # over the image
        engine.report({"ERROR"}, f"frame {scene.frame_current}: {error}" if engine.is_animation else str(error))
        return
    if missing:
        engine.report({"WARNING"}, f"frame {scene.frame_current}, {layer}: no pass {', '.join(missing)} from the farm")


def _frame(engine: Any, scene: Any, layer: str) -> results.Frame | None:
    """Decoded once for all view layers."""
    given: set[str] = getattr(engine, "given", set())
    if layer in given:  # with persistent data Blender keeps the engine: this is another frame
        given = set()
    if not given:
        engine.decoded = None
    engine.given = {*given, layer}
    decoded: results.Frame | None = engine.decoded
    if decoded is None:
        path = results.written_by_farm(scene) or still.fetch(engine, scene)
        if path is None:
            return None
        decoded = engine.decoded = results.Frame(path)
    return decoded


@persistent
def on_render_begins(*_: Any) -> None:
    if not results.engines:  # Blender's own render; ours begin once more for each scene that a strip shows
        still.forget_animations()
        results.failures.clear()


@persistent
def on_frame_written(*_: Any) -> None:
    results.remove_black()


CLASSES = (NETRENDER_RenderEngine,)


def register() -> None:
    open_file.after_another(still.forget_animations)
    bpy.app.handlers.render_init.append(on_render_begins)
    bpy.app.handlers.render_write.append(on_frame_written)


def unregister() -> None:
    open_file.forget(still.forget_animations)
    bpy.app.handlers.render_write.remove(on_frame_written)
    bpy.app.handlers.render_init.remove(on_render_begins)
