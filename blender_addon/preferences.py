"""What holds on this computer, whatever the scene: where the coordinator is, and where frames are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from . import farm

GIGABYTE = 10**9  # bytes


class NETRENDER_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = __package__ or ""

    coordinator: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Coordinator",
        description="HOST:PORT of the coordinator. Empty: found on the local network, or this computer",
    )
    pairing_line: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Pairing Line",
        description="netrender://HOST:PORT/#KEY, as the coordinator shows it. Needed if it listens to other computers",
        subtype="PASSWORD",
    )
    cache_folder: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Cache",
        description="Where frames are kept until they are in your output. Empty: Blender's own folder for such data",
        subtype="DIR_PATH",
    )
    cache_size: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Cache Size",
        description="Frames of old jobs are removed when the cache is larger, in gigabytes",
        min=0.1,
        default=20.0,
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "coordinator")
        layout.prop(self, "pairing_line")
        layout.prop(self, "cache_folder")
        layout.prop(self, "cache_size")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The preferences as plain values, for any thread."""

    coordinator: str
    pairing_line: str
    cache_folder: Path
    cache_size: int  # bytes


def read() -> Settings:
    """As they are now. To be called on the main thread."""
    preferences: Any = bpy.context.preferences
    addon = preferences.addons.get(__package__ or "")
    stored = addon.preferences if addon is not None else None  # None where a script registered us without installing
    folder = stored.cache_folder if stored is not None else ""
    return Settings(
        coordinator=stored.coordinator.strip() if stored is not None else "",
        pairing_line=stored.pairing_line.strip() if stored is not None else "",
        cache_folder=Path(bpy.path.abspath(folder)) if folder else farm.config.data_folder("client"),
        cache_size=round((stored.cache_size if stored is not None else 20.0) * GIGABYTE),
    )


CLASSES = (NETRENDER_AP_preferences,)
