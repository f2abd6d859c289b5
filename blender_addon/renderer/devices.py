"""Which processors Cycles renders on: those that the slave was told, as far as this machine has them.

A device is told by its id or name as Cycles has it, by its kind (CUDA, say), or as GPU: all of the best kind.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

KINDS = ("OPTIX", "CUDA", "HIP", "METAL", "ONEAPI")  # the first that a machine has is its best
CPU = "CPU"


@dataclass(frozen=True)
class Device:
    kind: str  # one of KINDS; Cycles renders on one kind at a time, and on the CPU beside it
    id: str
    name: str


@dataclass(frozen=True)
class Choice:
    kind: str = ""  # empty to render on the CPU alone
    ids: frozenset[str] = frozenset()
    cpu: bool = True
    missing: tuple[str, ...] = ()  # what was told and is not there


def choose(wanted: Sequence[str], there: Sequence[Device]) -> Choice:
    """What to render on. Without any of the wanted devices it is the CPU: slower, but the same farm."""
    ids: list[str] = []
    missing: list[str] = []
    kind = ""
    for word in wanted:
        if word.upper() == CPU:
            continue
        found = [device for device in there if kind in ("", device.kind) and _is_meant(word, device)]
        if not found:
            missing.append(word)
            continue
        kind = kind or found[0].kind
        ids += [device.id for device in found if device.kind == kind]
    cpu = not ids or any(word.upper() == CPU for word in wanted)
    return Choice(kind, frozenset(ids), cpu, tuple(missing))


def _is_meant(word: str, device: Device) -> bool:
    return word.upper() in ("GPU", device.kind) or word in (device.id, device.name)


def available() -> list[Device]:
    """The GPUs that Cycles can use here, the best kind first. Asks the drivers, which takes a moment."""
    preferences = _cycles_preferences()
    if preferences is None:
        return []
    supported = {item[0] for item in preferences.get_device_types(None)}
    # Read at once: the entries of one kind may move when the next kind's are asked for.
    return [
        Device(kind, entry.id, entry.name)
        for kind in KINDS
        if kind in supported
        for entry in preferences.get_devices_for_type(kind)
        if entry.type == kind
    ]


def has_gpu(wanted: Sequence[str]) -> bool:
    """Whether Cycles renders on one, told these devices; without them, as this Blender's preferences say."""
    preferences = _cycles_preferences()
    if preferences is None:
        return False
    if wanted:
        return bool(choose(wanted, available()).kind)
    return preferences.compute_device_type != "NONE" and any(
        entry.use and entry.type == preferences.compute_device_type for entry in preferences.devices
    )


def use(scene: Any, wanted: Sequence[str]) -> None:
    """Let Cycles render the scene on these; on what the scene and this Blender's preferences say if none is wanted."""
    preferences = _cycles_preferences()
    if not wanted or preferences is None:
        return
    there = available()
    choice = choose(wanted, there)
    for word in choice.missing:
        has = (
            ", ".join(f"{device.name} ({device.kind}, {device.id})" for device in there) or "no GPU that Cycles can use"
        )
        then = "rendering without it" if choice.kind else "rendering on the CPU"
        print(f"netrender: no device {word!r}, {then}; this machine has {has}", file=sys.stderr)
    if not choice.kind:
        scene.cycles.device = "CPU"
        return
    preferences.compute_device_type = choice.kind
    for entry in preferences.devices:
        entry.use = entry.id in choice.ids if entry.type != CPU else choice.cpu
    scene.cycles.device = "GPU"


def _cycles_preferences() -> Any:
    """None in a Blender without Cycles."""
    import bpy  # here, so that the choice above can be tested without it

    context: Any = bpy.context
    addon = context.preferences.addons.get("cycles")
    return addon.preferences if addon is not None else None
