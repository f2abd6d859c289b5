"""``netrender.*``: what a person presses and a script calls. Thin: the work is in the modules that they call.

From a script (``bpy.ops.netrender.animation()``) each returns when it is done, and an error is a RuntimeError as with
Blender's own operators. From a button it goes on in the background, and Esc ends it.
"""

import queue
import sys
from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty

from . import animation, errands, farm, job_operators, leaving, render_operators, session

Result = Any  # a set of Blender's own words, such as {"FINISHED"}
Make = Callable[[errands.Tell], animation.Animation]

LOOK = 0.1  # seconds between two looks of a modal operator at whether its work is over


def report(operator: Any, texts: list[str], level: str) -> None:
    for text in texts:
        operator.report({level}, text)


def until_written(operator: Any, make: Make) -> Result:
    """Send or take up a job, and write all of it, before returning."""
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    try:
        running = make(messages.put)
    except farm.errors.NetrenderError as error:
        operator.report({"ERROR"}, error.message)
        return {"CANCELLED"}
    try:
        running.write_ready()
        while not running.over:
            running.take(messages.get())
            say(running.new_warnings())
            running.write_ready()
    except BaseException:
        running.stop()
        raise
    finally:
        running.close()
    return told(operator, running)


def say(warnings: list[str]) -> None:
    """At once: Blender shows a script's reports only when the operator ends, and what they say may need somebody."""
    for text in warnings:
        print(f"Netrender: {text}", file=sys.stderr, flush=True)


def told(operator: Any, running: animation.Animation) -> Result:
    """Report how it ended."""
    report(operator, running.warnings, "WARNING")
    if running.problems:
        # One report: in a script the first error is the one that is raised.
        operator.report({"ERROR"}, "\n".join(running.problems))
        return {"CANCELLED"}
    operator.report({"INFO"}, ended_well(running))
    return {"FINISHED"}


def ended_well(running: animation.Animation) -> str:
    frames = running.gathering.frames if running.gathering is not None else ()
    return f"{len(frames)} frames of job {running.job} are written"


class InBackground:
    """A modal operator that looks on while the session's timer does the work."""

    _timer: Any = None

    def begin_modal(self, context: Any, make: Make) -> Result:
        if session.animation is not None:
            self.report({"ERROR"}, "an animation is being gathered already; press Esc to end it first")  # type: ignore
            return {"CANCELLED"}
        try:
            session.begin(make)
        except farm.errors.NetrenderError as error:
            self.report({"ERROR"}, error.message)  # type: ignore[attr-defined]
            return {"CANCELLED"}
        if not session.is_watching():
            session.watch(session.where(context.scene))
        manager = context.window_manager
        self._timer = manager.event_timer_add(LOOK, window=context.window)
        manager.modal_handler_add(self)
        if context.preferences.view.render_display_type != "NONE":
            bpy.ops.render.view_show("INVOKE_DEFAULT")  # now, while the user waits anyway
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> Result:
        running = session.animation
        if running is not None and event.type == "ESC" and event.value == "PRESS":
            session.interrupt()
        if running is not None and not session.over():
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        session.end()
        if running is None:
            return {"CANCELLED"}
        session.note = "\n".join(running.problems) or ended_well(running)
        session.redraw()
        return told(self, running)


class NETRENDER_OT_animation(InBackground, bpy.types.Operator):
    """Send the scene as it is now to the farm, and write its frames as they come"""

    bl_idname = "netrender.animation"
    bl_label = "Animation on Network"

    allow_missing: BoolProperty(name="Allow Missing Files", description="Render without files that are not there")

    def _make(self, context: Any) -> Make:
        scene, where, cache = context.scene, session.where(context.scene), session.cache()
        return lambda tell: animation.begin(scene, where, cache, tell, allow_missing=self.allow_missing)

    def execute(self, context: Any) -> Result:
        return until_written(self, self._make(context))

    def invoke(self, context: Any, event: Any) -> Result:
        return self.begin_modal(context, self._make(context))


class NETRENDER_OT_gather(InBackground, bpy.types.Operator):
    """Write the frames of a job that was sent before: those that are done now, the others when they are"""

    bl_idname = "netrender.gather"
    bl_label = "Get Animation"

    job: StringProperty(name="Job", description="Its id. Empty: the last that was sent from this scene")

    def _make(self, context: Any) -> Make:
        scene, where, cache = context.scene, session.where(context.scene), session.cache()
        job = job_operators.chosen(scene, self.job)
        return lambda tell: animation.take_up(scene, job, where, cache, tell)

    def execute(self, context: Any) -> Result:
        return job_operators.guarded(self, lambda: until_written(self, self._make(context)))

    def invoke(self, context: Any, event: Any) -> Result:
        return job_operators.guarded(self, lambda: self.begin_modal(context, self._make(context)))


class NETRENDER_OT_stop(bpy.types.Operator):
    """End the sending or gathering that goes on. A job that is gathered but was not sent by it goes on"""

    bl_idname = "netrender.stop"
    bl_label = "Stop"

    def execute(self, context: Any) -> Result:
        session.stop_sending()
        session.interrupt()
        return {"FINISHED"}


class NETRENDER_OT_tell(bpy.types.Operator):
    """Report something that has happened by itself"""

    bl_idname = "netrender.tell"
    bl_label = "Network Render"
    bl_options = {"INTERNAL"}

    text: StringProperty(name="Text")

    _timer: Any = None

    def invoke(self, context: Any, event: Any) -> Result:
        # Blender shows what a modal operator reports; of one that a script calls it shows nothing.
        manager = context.window_manager
        self._timer = manager.event_timer_add(LOOK, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> Result:
        context.window_manager.event_timer_remove(self._timer)
        self.report({"WARNING"}, self.text)
        return {"FINISHED"}


def tell_left(text: str) -> None:
    """Report it in the window; at the next tick, because while a file is being opened there may be none."""
    if bpy.app.background:
        say([text])
        return

    def tell() -> None:
        session.no_more_ticks(tell)
        manager: Any = bpy.context.window_manager
        operators: Any = bpy.ops
        with bpy.context.temp_override(window=manager.windows[0]):
            operators.netrender.tell("INVOKE_DEFAULT", text=text)

    session.each_tick(tell)


CLASSES = (
    NETRENDER_OT_tell,
    NETRENDER_OT_animation,
    NETRENDER_OT_gather,
    NETRENDER_OT_stop,
    *render_operators.CLASSES,
    *job_operators.CLASSES,
)


def register() -> None:
    leaving.report = tell_left


def unregister() -> None:
    leaving.report = None
