"""What a person sees in Properties > Render. Draws what the session knows, and never touches the network."""

from __future__ import annotations

import textwrap
from typing import Any

import bpy

from . import addresses, compat, farm_panels, lists, properties, session

WIDTH_OF_LETTER = 6.0  # pixels of the panel that a letter takes on average; labels do not wrap by themselves


class NetrenderPanel:
    bl_space_type: Any = "PROPERTIES"
    bl_region_type: Any = "WINDOW"
    bl_context = "render"


class NETRENDER_PT_network(NetrenderPanel, bpy.types.Panel):
    bl_label = "Network Render"
    bl_parent_id = "RENDER_PT_context"  # right below the choice of the engine

    def draw(self, context: Any) -> None:
        draw_network(self.layout, context)


def draw_network(layout: Any, context: Any) -> None:
    settings = context.scene.netrender
    row = layout.row()
    row.scale_y = 1.2
    row.prop(settings, "mode", expand=True)
    layout.use_property_split = True
    layout.use_property_decorate = False
    draw_address(layout, context)
    if settings.mode == "CLIENT":
        layout.prop(settings, "engine", placeholder=engine_label(context.scene))
        draw_client(layout, context)
    else:
        draw_start(layout, settings)
    draw_note(layout, context)


def draw_address(layout: Any, context: Any) -> None:
    """Where a Master listens; else where the coordinator is, and who says so."""
    settings = context.scene.netrender
    otherwise, line = addresses.origin(session.where(context.scene))
    column = layout.column(align=True)
    column.prop(settings, "address", placeholder="This computer only" if settings.mode == "MASTER" else otherwise)
    column.prop(settings, "port")
    if line and (settings.mode != "MASTER" or session.own_master):
        draw_text(layout, line, context, icon="INFO")


def engine_label(scene: Any) -> str:
    """What renders on the slaves if nothing is chosen."""
    name = properties.real_engine(scene)
    return f"{name.removeprefix('BLENDER_').removesuffix('_NEXT').title()} (this scene's)"


def draw_start(layout: Any, settings: Any) -> None:
    master = settings.mode == "MASTER"
    row = layout.row()
    row.scale_y = 1.5
    row.operator(
        "netrender.start", text="Start Master" if master else "Start Slave", icon="DESKTOP" if master else "SYSTEM"
    )
    if master and session.own_master:
        layout.operator("netrender.copy", icon="COPYDOWN")
    elif master and not settings.address:
        note = layout.column()
        note.active = False
        note.label(text="0.0.0.0 lets other computers in", icon="INFO")


def draw_client(layout: Any, context: Any) -> None:
    column = layout.column(align=True)
    row = column.row(align=True)
    row.scale_y = 1.5
    row.enabled = session.animation is None
    row.operator("netrender.animation", icon="RENDER_ANIMATION")
    row = column.row(align=True)
    row.operator("netrender.send", icon="EXPORT")
    row.operator("netrender.gather", icon="IMPORT")
    row = column.row(align=True)
    row.operator("netrender.image", text="Get Image", icon="RENDER_STILL")
    row.operator("netrender.play", icon="PLAY")
    if session.animation is not None:
        draw_animation(layout, context, session.animation)
    elif session.upload is not None:
        draw_bar(layout, *upload_bar(session.upload))


def draw_animation(layout: Any, context: Any, animation: Any) -> None:
    """How far the job is that this Blender gathers."""
    gathering = animation.gathering
    if gathering is None:
        draw_bar(layout, *upload_bar(animation.upload))
        return
    total = len(gathering.frames)
    written, arrived = len(gathering.written), len(gathering.arrived)
    text = f"{arrived} of {total} frames rendered, {written} written"
    if gathering.failed:
        text += f", {len(gathering.failed)} failed"
    draw_bar(layout, text, (arrived + written) / max(1, 2 * total))
    hint = session.state.hint(animation.job, compat.VERSION)
    if hint:
        draw_text(layout, hint, context, icon="ERROR")


def upload_bar(upload: tuple[int, int]) -> tuple[str, float]:
    done, total = upload
    if not total:
        return "Packing", 0.0
    return f"Sent {done / 1e6:.1f} of {total / 1e6:.1f} MB", done / total


def draw_bar(layout: Any, text: str, factor: float) -> None:
    row = layout.row(align=True)
    row.progress(text=text, factor=factor)
    row.operator("netrender.stop", text="", icon="X")


def draw_note(layout: Any, context: Any) -> None:
    """What happened last."""
    if session.note:
        draw_text(layout, session.note, context, icon="INFO")


def draw_text(layout: Any, text: str, context: Any, *, icon: str) -> None:
    """A text of any length, in lines."""
    scale = context.preferences.system.ui_scale
    letters = max(20, int((context.region.width / scale - 50) / WIDTH_OF_LETTER))
    column = layout.column(align=True)
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, letters) or [""]]
    for number, line in enumerate(lines[:12]):
        column.label(text=line, icon="BLANK1" if number else icon)


class NETRENDER_PT_job(NetrenderPanel, bpy.types.Panel):
    bl_label = "Job"
    bl_parent_id = "NETRENDER_PT_network"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return bool(context.scene.netrender.mode == "CLIENT")

    def draw(self, context: Any) -> None:
        draw_job(self.layout, context.scene)


def draw_job(layout: Any, scene: Any) -> None:
    settings = scene.netrender
    layout.use_property_split = True
    layout.use_property_decorate = False
    column = layout.column()
    column.prop(settings, "name", placeholder=bpy.path.display_name_from_filepath(bpy.data.filepath) or "untitled")
    column.prop(settings, "frames", placeholder=scene_frames(scene))
    column.prop(settings, "chunk", text="Chunk" if settings.chunk else "Chunk (Automatic)")
    column.prop(settings, "priority")
    column.prop(settings, "tags", placeholder="Any slave")
    refused = properties.refused_slaves(scene)
    if refused:
        split = column.split(factor=0.4)
        split.row().label(text="")
        split.label(text=f"Not on {', '.join(refused)}")
    column = layout.column()
    column.prop(settings, "use_local")
    column.prop(settings, "delete_after")


def scene_frames(scene: Any) -> str:
    step = f"x{scene.frame_step}" if scene.frame_step > 1 else ""
    return f"{scene.frame_start}-{scene.frame_end}{step}"


class NETRENDER_PT_jobs(NetrenderPanel, bpy.types.Panel):
    bl_label = "Jobs"
    bl_parent_id = "NETRENDER_PT_network"

    def draw_header_preset(self, context: Any) -> None:
        farm_panels.draw_connection(self.layout)

    def draw(self, context: Any) -> None:
        if not session.is_watching():
            draw_text(self.layout, session.state.line or "Connect to see them", context, icon="BLANK1")
            return
        if not session.state.connected:
            draw_text(self.layout, session.state.line, context, icon="ERROR")
        manager = context.window_manager
        farm_panels.draw_list(self.layout, "NETRENDER_UL_jobs", manager.netrender, "job")
        job = lists.chosen_job(context)
        if job is not None:
            farm_panels.draw_job(self.layout, job)


class NETRENDER_PT_slaves(NetrenderPanel, bpy.types.Panel):
    bl_label = "Slaves"
    bl_parent_id = "NETRENDER_PT_network"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return session.is_watching()

    def draw(self, context: Any) -> None:
        farm_panels.draw_list(self.layout, "NETRENDER_UL_slaves", context.window_manager.netrender, "slave")
        slave = lists.chosen_slave(context)
        if slave is not None:
            farm_panels.draw_slave(self.layout, slave)


CLASSES = (NETRENDER_PT_network, NETRENDER_PT_job, NETRENDER_PT_jobs, NETRENDER_PT_slaves)
