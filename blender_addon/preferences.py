"""What holds on this computer, whatever the scene: where the coordinator is, where frames are kept, what renders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, StringProperty

from . import farm
from .renderer import devices

GIGABYTE = 10**9  # bytes
CACHE_SIZE = 20.0  # gigabytes


class NETRENDER_PG_device(bpy.types.PropertyGroup):
    """A GPU of this computer. ``name`` is what Cycles calls it."""

    id: StringProperty(name="Id")
    kind: StringProperty(name="Kind", description="How Cycles uses it, such as CUDA")
    use: BoolProperty(name="Use", description="Whether slaves that are started here render on it")


class NETRENDER_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = __package__ or ""

    coordinator: StringProperty(
        name="Coordinator",
        description="HOST:PORT of the coordinator. Empty: found on the local network, or this computer",
    )
    pairing_line: StringProperty(
        name="Pairing Line",
        description="netrender://HOST:PORT/#KEY, as the coordinator shows it. Needed if it listens to other computers",
        subtype="PASSWORD",
    )
    cache_folder: StringProperty(
        name="Cache",
        description="Where frames are kept until they are in your output. Empty: your folder for such data",
        subtype="DIR_PATH",
    )
    cache_size: FloatProperty(
        name="Cache Size",
        description="In gigabytes. When the cache is larger, the frames of the jobs that were not used for longest go",
        min=0.1,
        default=CACHE_SIZE,
    )
    devices: CollectionProperty(type=NETRENDER_PG_device)
    allow_scripts: BoolProperty(
        name="Allow Scripts",
        description="Slaves that are started here run the scripts inside a .blend, whoever sent it: they can do all "
        "that you can do on this computer",
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "coordinator")
        layout.prop(self, "pairing_line")
        layout.prop(self, "cache_folder")
        layout.prop(self, "cache_size")
        column = layout.column(heading="Slaves Render on")
        for device in self.devices:
            column.prop(device, "use", text=f"{device.name} ({device.kind})")
        if not any(device.use for device in self.devices):
            column.label(text="What Blender's System preferences say")
        layout.operator(NETRENDER_OT_find_devices.bl_idname)
        layout.prop(self, "allow_scripts")


class NETRENDER_OT_find_devices(bpy.types.Operator):
    """List the GPUs of this computer that Cycles can render on"""

    bl_idname = "netrender.find_devices"
    bl_label = "Find GPUs"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> Any:
        stored = _stored()
        if stored is None:
            self.report({"ERROR"}, "the extension is not installed, so it has no preferences")
            return {"CANCELLED"}
        list_devices(stored.devices, devices.available())
        if not stored.devices:
            self.report({"INFO"}, "this computer has no GPU that Cycles can use: slaves render on the CPU")
        return {"FINISHED"}


def list_devices(entries: Any, there: list[devices.Device]) -> None:
    """Show these, still ticked where they were."""
    ticked = {entry.id for entry in entries if entry.use}
    entries.clear()
    for device in there:
        entry = entries.add()
        entry.name, entry.id, entry.kind = device.name, device.id, device.kind
        entry.use = device.id in ticked


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The preferences as plain values, for any thread."""

    coordinator: str = ""
    pairing_line: str = ""
    cache_folder: Path
    cache_size: int = round(CACHE_SIZE * GIGABYTE)  # bytes
    devices: tuple[str, ...] = ()  # ids; empty for what Blender's own preferences say
    allow_scripts: bool = False

    @property
    def slave_arguments(self) -> list[str]:
        """Of ``netrender slave``."""
        arguments = [word for device in self.devices for word in ("--device", device)]
        return [*arguments, "--allow-scripts"] if self.allow_scripts else arguments


def read() -> Settings:
    """As they are now. To be called on the main thread."""
    stored = _stored()
    if stored is None:
        return Settings(cache_folder=_default_cache())
    folder = stored.cache_folder
    return Settings(
        coordinator=stored.coordinator.strip(),
        pairing_line=stored.pairing_line.strip(),
        cache_folder=Path(bpy.path.abspath(folder)) if folder else _default_cache(),
        cache_size=round(stored.cache_size * GIGABYTE),
        devices=tuple(device.id for device in stored.devices if device.use),
        allow_scripts=stored.allow_scripts,
    )


def _stored() -> Any:
    """None where a script registered us without installing."""
    preferences: Any = bpy.context.preferences
    addon = preferences.addons.get(__package__ or "")
    return addon.preferences if addon is not None else None


def _default_cache() -> Path:
    cache: Path = farm.config.data_folder("client")
    return cache


CLASSES = (NETRENDER_PG_device, NETRENDER_AP_preferences, NETRENDER_OT_find_devices)
