"""``scene.netrender``: what is asked of the farm, kept with the scene. The names are what people's scripts rely on."""

from collections.abc import Iterator
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, PointerProperty, StringProperty

from . import compat, farm

ENGINE = "NETRENDER"

MODES = (
    ("CLIENT", "Client", "Send this scene to a farm and gather its frames", "RESTRICT_RENDER_OFF", 0),
    ("MASTER", "Master", "Keep the farm's jobs, files and results on this computer", "DESKTOP", 1),
    ("SLAVE", "Slave", "Render for a farm with this computer", "SYSTEM", 2),
)


def _engines(_settings: Any, _context: Any, _text: str) -> Iterator[str]:
    yield from real_engines()


class NETRENDER_PG_slave(bpy.types.PropertyGroup):
    """A slave that this scene's jobs may, or may not, use. ``name`` is the slave's."""

    use: BoolProperty(name="Use", description="Whether this slave may render this scene's jobs", default=True)


class NETRENDER_PG_settings(bpy.types.PropertyGroup):
    mode: EnumProperty(name="Mode", description="What this Blender is in the farm", items=MODES, default="CLIENT")
    address: StringProperty(
        name="Address",
        description="The master's host name, address or pairing line. Empty: the one of the extension's preferences, "
        "else of the environment variable NETRENDER_COORDINATOR, else the first that is found",
    )
    port: IntProperty(
        name="Port",
        description="Where the master listens, if the address does not say",
        default=farm.constants.DEFAULT_PORT,
        min=1,
        max=65535,
    )
    engine: StringProperty(
        name="Engine",
        description="The render engine that the slaves use. Empty: the one that is chosen for this scene",
        search=_engines,
    )
    name: StringProperty(name="Name", description="Of the job. Empty: the file's")
    frames: StringProperty(
        name="Frames",
        description="Such as 1-24,30 or 1-100x5. Empty: the scene's frame range and step",
    )
    chunk: IntProperty(
        name="Chunk",
        description="Frames that a slave gets at once. 0: as many as keep it busy for a while",
        min=0,
        max=10_000,
    )
    priority: IntProperty(name="Priority", description="10 is the most urgent", default=1, min=1, max=10)
    tags: StringProperty(name="Tags", description="What a slave must have to render this, separated by commas")
    slaves: CollectionProperty(type=NETRENDER_PG_slave)
    use_local: BoolProperty(
        name="Use this computer too", description="Start a slave on this computer while the job renders"
    )
    delete_after: BoolProperty(
        name="Delete after gathering", description="Remove the gathered frames from the cache when they are written"
    )
    job: StringProperty(name="Job", description="The last job that was sent from this scene", options={"HIDDEN"})
    borrowed: StringProperty(
        name="Borrowed", description="What settings are that Netrender has changed for a while", options={"HIDDEN"}
    )


def real_engines() -> list[str]:
    """What slaves can be asked to use, as far as this Blender knows."""
    return [name for name in compat.engines() if name != ENGINE]


def real_engine(scene: Any) -> str:
    """The engine that renders this scene on the slaves."""
    if scene.netrender.engine:
        return compat.engine_name(scene.netrender.engine)
    return "CYCLES" if scene.render.engine == ENGINE else scene.render.engine


def is_allowed(scene: Any, slave: str) -> bool:
    """Whether the slave of this name may render this scene's jobs."""
    listed = scene.netrender.slaves.get(slave)
    return listed is None or listed.use


def set_allowed(scene: Any, slave: str, allowed: bool) -> None:
    slaves = scene.netrender.slaves
    listed = slaves.get(slave)
    if listed is None:
        listed = slaves.add()
        listed.name = slave
    listed.use = allowed


def refused_slaves(scene: Any) -> tuple[str, ...]:
    """The names of those that may not."""
    return tuple(slave.name for slave in scene.netrender.slaves if not slave.use)


def tag_list(scene: Any) -> tuple[str, ...]:
    """What a slave must have."""
    return tuple(dict.fromkeys(tag.strip() for tag in scene.netrender.tags.split(",") if tag.strip()))


CLASSES = (NETRENDER_PG_slave, NETRENDER_PG_settings)


def register() -> None:
    scene: Any = bpy.types.Scene
    pointer: Any = PointerProperty  # the stubs have it return nothing
    scene.netrender = pointer(type=NETRENDER_PG_settings)


def unregister() -> None:
    for each in getattr(bpy.data, "scenes", ()):  # none where registering failed: Blender shows no data then
        each.property_unset("netrender")  # or what was set stays in the scene, and in the file that is saved next
    scene: Any = bpy.types.Scene
    del scene.netrender
