"""The farm's jobs and slaves as Blender's list widget wants them: rows in the window manager, which no file keeps.

A row is an id alone. What it says is drawn from the session's state.
"""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import CollectionProperty, IntProperty, PointerProperty

from . import farm, job_operators, properties, session

JOB_ICONS = {
    "waiting": "SORTTIME",
    "queued": "RENDER_ANIMATION",
    "paused": "PAUSE",
    "finished": "CHECKMARK",
    "cancelled": "X",
}


class NETRENDER_PG_row(bpy.types.PropertyGroup):
    """``name`` is the id of a job or slave."""


class NETRENDER_PG_lists(bpy.types.PropertyGroup):
    jobs: CollectionProperty(type=NETRENDER_PG_row)
    job: IntProperty(name="Job", description="The job that the buttons below are about")
    slaves: CollectionProperty(type=NETRENDER_PG_row)
    slave: IntProperty(name="Slave", description="The slave that is described below")


def chosen_job(context: Any) -> Any:
    """What is known of the chosen job; None if there is none."""
    return session.state.jobs.get(_chosen(context.window_manager.netrender, "job"))


def chosen_slave(context: Any) -> Any:
    """What is known of the chosen slave; None if there is none."""
    return session.state.slaves.get(_chosen(context.window_manager.netrender, "slave"))


def _chosen(lists: Any, what: str) -> str:
    rows, index = getattr(lists, f"{what}s"), getattr(lists, what)
    return str(rows[index].name) if 0 <= index < len(rows) else ""


def update() -> None:
    """Have a row for each job and slave; the same one stays chosen."""
    lists: Any = bpy.context.window_manager.netrender  # type: ignore[union-attr]
    _fill(lists, "job", session.state.job_ids())
    _fill(lists, "slave", session.state.slave_ids())


def _fill(lists: Any, what: str, ids: list[str]) -> None:
    rows = getattr(lists, f"{what}s")
    if [row.name for row in rows] == ids:
        return
    before = _chosen(lists, what)
    rows.clear()
    for each in ids:
        rows.add().name = each
    setattr(lists, what, ids.index(before) if before in ids else 0)


class NETRENDER_UL_jobs(bpy.types.UIList):
    def draw_item(  # type: ignore[override]
        self, context: Any, layout: Any, data: Any, item: Any, icon: int, active: Any, name: str
    ) -> None:
        draw_job(layout, session.state.jobs.get(item.name))


def draw_job(layout: Any, job: Any) -> None:
    """One line: its state, its name, and how far it is."""
    if job is None:
        return
    counts = job.counts
    split = layout.split(factor=0.45)
    split.label(text=job.name, icon="ERROR" if counts.error else JOB_ICONS[job.state])
    done = f"{counts.done} of {counts.total}"
    text = f"{done}, {counts.error} failed" if counts.error else done
    split.progress(text=text, factor=(counts.done + counts.error) / max(1, counts.total))


class NETRENDER_UL_slaves(bpy.types.UIList):
    def draw_item(  # type: ignore[override]
        self, context: Any, layout: Any, data: Any, item: Any, icon: int, active: Any, name: str
    ) -> None:
        draw_slave(layout, context.scene, session.state.slaves.get(item.name))


def draw_slave(layout: Any, scene: Any, slave: Any) -> None:
    """One line: whether this scene's jobs may use it, its name and what it does."""
    if slave is None:
        return
    row = layout.row(align=True)
    allowed = properties.is_allowed(scene, slave.name)
    icon = "CHECKBOX_HLT" if allowed else "CHECKBOX_DEHLT"
    row.operator("netrender.allow", text="", icon=icon, emboss=False).slave = slave.name
    split = row.split(factor=0.35)
    split.active = slave.connected
    split.label(text=slave.name)
    split.label(text=session.state.doing(slave))


class NETRENDER_OT_allow(bpy.types.Operator):
    """Whether this slave may render this scene's jobs"""

    bl_idname = "netrender.allow"
    bl_label = "May Render"
    bl_options = {"UNDO", "INTERNAL"}

    slave: bpy.props.StringProperty(name="Slave", description="Its name")

    def execute(self, context: Any) -> job_operators.Result:
        return job_operators.guarded(self, lambda: allow(context.scene, self.slave))


def allow(scene: Any, slave: str) -> set[str]:
    """Tick the slave, or untick it."""
    if not slave:
        raise farm.errors.UsageError("no slave is named")
    properties.set_allowed(scene, slave, not properties.is_allowed(scene, slave))
    return {"FINISHED"}


CLASSES = (NETRENDER_PG_row, NETRENDER_PG_lists, NETRENDER_UL_jobs, NETRENDER_UL_slaves, NETRENDER_OT_allow)


def register() -> None:
    manager: Any = bpy.types.WindowManager
    pointer: Any = PointerProperty  # the stubs have it return nothing
    manager.netrender = pointer(type=NETRENDER_PG_lists)
    session.on_change(update)


def unregister() -> None:
    session.no_more_changes(update)
    manager: Any = bpy.types.WindowManager
    del manager.netrender
