"""Which passes the real engine has in a view layer: what Blender has to allocate, and the compositor's sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import compat

WORKBENCH = "BLENDER_WORKBENCH"

# Of EEVEE, in its own order: the switch in the view layer, the pass as Blender 5 calls it, channels, type of socket.
_EEVEE = (
    ("use_pass_z", "Depth", "Z", "VALUE"),
    ("use_pass_mist", "Mist", "Z", "VALUE"),
    ("use_pass_normal", "Normal", "XYZ", "VECTOR"),
    ("use_pass_position", "Position", "XYZ", "VECTOR"),
    ("use_pass_vector", "Vector", "XYZW", "VECTOR"),
    ("use_pass_diffuse_direct", "Diffuse Direct", "RGB", "COLOR"),
    ("use_pass_diffuse_color", "Diffuse Color", "RGB", "COLOR"),
    ("use_pass_glossy_direct", "Glossy Direct", "RGB", "COLOR"),
    ("use_pass_glossy_color", "Glossy Color", "RGB", "COLOR"),
    ("eevee.use_pass_volume_direct", "Volume Direct", "RGB", "COLOR"),
    ("use_pass_emit", "Emission", "RGB", "COLOR"),
    ("use_pass_environment", "Environment", "RGB", "COLOR"),
    ("use_pass_shadow", "Shadow", "RGB", "COLOR"),
    ("use_pass_ambient_occlusion", "Ambient Occlusion", "RGB", "COLOR"),
    ("eevee.use_pass_transparent", "Transparent", "RGBA", "COLOR"),
)

Pass = tuple[str, str, str]  # name, channels, type of socket


def register(engine: Any, real_engine: str, scene: Any, layer: Any) -> None:
    """Tell Blender of every pass that ``real_engine`` would have; ``engine`` is ours, in ``update_render_passes``."""
    cls = compat.engine_class(real_engine)
    update = getattr(cls, "update_render_passes", None)
    if update is not None and update is not getattr(compat.BASE_ENGINE, "update_render_passes", None):
        # An engine written in Python tells it itself: the method does no more than to call `register_pass`.
        update(engine, scene, layer)
        return
    for name, channels, kind in built_in(real_engine, layer):
        engine.register_pass(scene, layer, name, len(channels), channels, kind)


def built_in(real_engine: str, layer: Any) -> Iterator[Pass]:
    """The passes of an engine that is part of Blender itself."""
    yield "Combined", "RGBA", "COLOR"
    if real_engine == WORKBENCH:
        if layer.use_pass_z:
            yield "Depth", "Z", "VALUE"
    elif real_engine == compat.EEVEE:
        for switch, name, channels, kind in _EEVEE:
            owner, _, attribute = switch.rpartition(".")
            if getattr(layer.eevee if owner else layer, attribute):
                yield compat.pass_name(name), channels, kind
        yield from _eevee_outputs(layer)


def _eevee_outputs(layer: Any) -> Iterator[Pass]:
    for aov in layer.aovs:
        if aov.is_valid:
            yield (aov.name, "RGBA", "COLOR") if aov.type == "COLOR" else (aov.name, "X", "VALUE")
    levels = (layer.pass_cryptomatte_depth + 1) // 2
    for kind in ("object", "asset", "material"):
        if getattr(layer, f"use_pass_cryptomatte_{kind}"):
            for level in range(levels):
                yield f"Crypto{kind.capitalize()}{level:02d}", "rgba", "COLOR"
