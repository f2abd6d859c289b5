"""The render engine NETRENDER: computes nothing, forwards to the functions that know where a result comes from."""

from __future__ import annotations

from typing import Any

import bpy

from . import farm, modes, passes, properties, results, still


class NETRENDER_RenderEngine(bpy.types.RenderEngine):
    bl_idname = properties.ENGINE
    bl_label = "Network Render"
    bl_use_postprocess = True  # this Blender's compositor and sequencer
    bl_use_eevee_viewport = True
    bl_use_custom_freestyle = True  # the lines are in the result already
    bl_use_spherical_stereo = True

    def update_render_passes(self, scene: Any = None, renderlayer: Any = None) -> None:
        passes.register(self, properties.real_engine(scene), scene, renderlayer)

    def render(self, depsgraph: Any) -> None:  # type: ignore[override]  # the stubs mean another attribute
        render(self, depsgraph)


def render(engine: Any, depsgraph: Any) -> None:
    """One view layer of one frame: from the cache, from the farm, or what a Master or a Slave calls rendering."""
    scene = depsgraph.scene
    if scene.name not in results.sources and scene.netrender.mode != "CLIENT":
        modes.serve(engine, scene)
        return
    try:
        frame = _frame(engine, scene)
        if frame is None:  # interrupted
            return
        missing = results.fill(engine, depsgraph, frame)
    except (results.NoResult, farm.errors.NetrenderError) as error:
        results.failures.setdefault(scene.name, str(error))
        engine.error_set(str(error))
        return
    if missing:
        layer = depsgraph.view_layer_eval.name
        engine.report({"WARNING"}, f"frame {scene.frame_current}, {layer}: no pass {', '.join(missing)} from the farm")


def _frame(engine: Any, scene: Any) -> results.Frame | None:
    """Decoded once for all view layers."""
    decoded: results.Frame | None = getattr(engine, "decoded", None)
    if decoded is None:
        folder = results.sources.get(scene.name)
        path = (
            folder / farm.gathering.frame_name(scene.frame_current)
            if folder is not None
            else still.fetch(engine, scene)
        )
        if path is None:
            return None
        decoded = engine.decoded = results.Frame(path)
    return decoded


CLASSES = (NETRENDER_RenderEngine,)
