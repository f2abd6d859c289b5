"""Operators that are a render of Blender's own with our engine: an image of the network, and being Master or Slave."""

from typing import Any

import bpy
from bpy.props import BoolProperty

from . import job_operators, results, session, still, writing

Result = Any  # a set of Blender's own words, such as {"FINISHED"}

LOOK = 0.1  # seconds between two looks of a modal operator at whether the render is over


class Watching:
    """A modal operator that looks on while Blender renders, and reports what went wrong.

    Blender shows the reports of a render that a person began, but not of one that was begun by a script, as ours is.
    """

    _timer: Any = None

    def look_on(self, context: Any, started: Result) -> Result:
        if "FINISHED" not in started:
            return started
        manager = context.window_manager
        self._timer = manager.event_timer_add(LOOK, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> Result:
        if writing.is_rendering():
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        if failure := results.take_failure():
            self.report({"ERROR"}, failure)  # type: ignore[attr-defined]
            return {"CANCELLED"}
        return {"FINISHED"}


class NETRENDER_OT_image(Watching, bpy.types.Operator):
    """Render the current frame on the network: from a job that was sent from this file, or as a job of its own"""

    bl_idname = "netrender.image"
    bl_label = "Image on Network"

    write_still: BoolProperty(name="Write Image", description="Save it to the output path")

    def execute(self, context: Any) -> Result:
        return self._render(context, "EXEC_DEFAULT")

    def invoke(self, context: Any, event: Any) -> Result:
        return self.look_on(context, self._render(context, "INVOKE_DEFAULT"))

    def _render(self, context: Any, how: str) -> Result:
        return job_operators.guarded(self, lambda: still.render(context.scene, how, write_still=self.write_still))


class NETRENDER_OT_start(Watching, bpy.types.Operator):
    """Start as the master or as a slave, as the mode says, until Esc"""

    bl_idname = "netrender.start"
    bl_label = "Start"

    def execute(self, context: Any) -> Result:
        return self._start(context, "EXEC_DEFAULT")

    def invoke(self, context: Any, event: Any) -> Result:
        if context.scene.netrender.mode == "MASTER":
            session.watch_own_master(context.scene)
        return self.look_on(context, self._start(context, "INVOKE_DEFAULT"))

    def _start(self, context: Any, how: str) -> Result:
        if context.scene.netrender.mode == "CLIENT":
            self.report({"ERROR"}, "this Blender is a client: choose Master or Slave as its mode to start one")
            return {"CANCELLED"}
        return job_operators.guarded(self, lambda: still.render(context.scene, how, write_still=False))


CLASSES = (NETRENDER_OT_image, NETRENDER_OT_start)
