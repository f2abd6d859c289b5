"""Operators on jobs: send one and go on working; pause, resume, cancel and reset it; keep the panels up to date."""

import queue
from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty

from . import animation, errands, farm, logs, open_file, results, session, shots, snapshot

Result = Any  # a set of Blender's own words, such as {"FINISHED"}
Work = Callable[[Any, errands.Tell], None]


def chosen(scene: Any, job: str) -> str:
    """The job that is meant. Raises UsageError."""
    if not (job or scene.netrender.job):
        raise farm.errors.UsageError("no job was sent from this scene yet: name one, or send it first")
    return job or str(scene.netrender.job)


def guarded(operator: Any, action: Callable[[], Result]) -> Result:
    """Do it; an error of ours becomes Blender's own report."""
    try:
        return action()
    except (farm.errors.NetrenderError, results.NoResult) as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}


def wait(where: errands.Where, work: Work, take: Callable[[Any], None]) -> None:
    """Do ``work`` on a thread and wait for it. Raises what it raised."""
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    done = object()

    def work_and_say(client: Any, tell: errands.Tell) -> None:
        work(client, tell)
        tell(done)

    errands.Errand("errand", where, work_and_say, messages.put)
    while (message := messages.get()) is not done:
        if isinstance(message, errands.Broke):
            raise message.error
        take(message)


class NETRENDER_OT_send(bpy.types.Operator):
    """Send the scene as it is now to the farm, and go on working"""

    bl_idname = "netrender.send"
    bl_label = "Send Job"

    allow_missing: BoolProperty(name="Allow Missing Files", description="Render without files that are not there")

    def execute(self, context: Any) -> Result:
        def send() -> Result:
            where, work = sending(context.scene, allow_missing=self.allow_missing)
            wait(where, work, sent_to(context.scene))
            self.report({"INFO"}, f"job {context.scene.netrender.job} is sent")
            return {"FINISHED"}

        return guarded(self, send)

    def invoke(self, context: Any, event: Any) -> Result:
        def send() -> Result:
            session.check_not_sending()
            where, work = sending(context.scene, allow_missing=self.allow_missing)
            session.send(where, work, sent_to(context.scene))
            if not session.is_watching():
                session.watch(session.where(context.scene))
            return {"FINISHED"}

        return guarded(self, send)


def sending(scene: Any, *, allow_missing: bool) -> tuple[errands.Where, Work]:
    """A snapshot now, and what a thread does with it."""
    rendered = shots.scenes(shots.needs(scene, animation.frames(scene)))
    if not rendered:
        raise farm.errors.UsageError(f"the sequencer of {scene.name!r} has no scene strip: there is nothing to send")
    taken, wishes = snapshot.for_jobs(scene, rendered, session.cache(), allow_missing=allow_missing)

    def work(client: Any, tell: errands.Tell) -> None:
        errands.send_all(client, taken, wishes, tell)

    return session.where(scene), work


def sent_to(scene: Any) -> Callable[[Any], None]:
    """Takes what sending tells, also when another file is open by then."""
    owner, cache, scene_name = open_file.Owner(scene), session.cache(), scene.name

    def take(message: Any) -> None:
        match message:
            case errands.Uploading(done=done, total=total):
                session.upload = (done, total)
            case errands.Sent(job=job, name=name, scene=rendered):
                whose = "" if owner.is_here else f" of {owner.title}"
                session.upload, session.note = None, f"{name}{whose} is sent: job {job}"
                animation.remember_job(owner, cache, job, scene_name, rendered)
            case errands.Warned(text=text):
                session.note = f"{session.note}; {text}"
            case errands.Broke(error=error):
                session.upload, session.note = None, error.message

    return take


class JobCommand:
    """An operator that tells the coordinator to do something with a job."""

    command = ""

    def execute(self, context: Any) -> Result:
        def tell_it() -> Result:
            where, work = self._errand(context)
            wait(where, work, lambda message: None)
            return {"FINISHED"}

        return guarded(self, tell_it)

    def invoke(self, context: Any, event: Any) -> Result:
        def tell_it() -> Result:
            where, work = self._errand(context)
            session.run(self.command, where, work, sent_to(context.scene))
            return {"FINISHED"}

        return guarded(self, tell_it)

    def _errand(self, context: Any) -> tuple[errands.Where, Work]:
        job, command = chosen(context.scene, getattr(self, "job", "")), self.command
        return session.where(context.scene), lambda client, tell: client.command(client.job(job).id, command)


class NETRENDER_OT_pause(JobCommand, bpy.types.Operator):
    """Hand out no more frames of this job; those that render go on"""

    bl_idname = "netrender.pause"
    bl_label = "Pause"
    command = "pause"

    job: StringProperty(name="Job", description="Its id. Empty: the last that was sent from this scene")


class NETRENDER_OT_resume(JobCommand, bpy.types.Operator):
    """Go on with a job that was paused"""

    bl_idname = "netrender.resume"
    bl_label = "Resume"
    command = "resume"

    job: StringProperty(name="Job", description="Its id. Empty: the last that was sent from this scene")


class NETRENDER_OT_cancel(JobCommand, bpy.types.Operator):
    """End a job. Frames that are done stay"""

    bl_idname = "netrender.cancel"
    bl_label = "Cancel"
    command = "cancel"

    job: StringProperty(name="Job", description="Its id. Empty: the last that was sent from this scene")


class NETRENDER_OT_reset(JobCommand, bpy.types.Operator):
    """Try the frames of a job that failed once more"""

    bl_idname = "netrender.reset"
    bl_label = "Reset Errors"
    command = "reset"

    job: StringProperty(name="Job", description="Its id. Empty: the last that was sent from this scene")


class NETRENDER_OT_log(bpy.types.Operator):
    """What Blender said on the slaves: of the frames that failed, or else of the last that was rendered"""

    bl_idname = "netrender.log"
    bl_label = "Open Log"

    job: StringProperty(name="Job", description="Its id. Empty: the last that was sent from this scene")

    def execute(self, context: Any) -> Result:
        def fetch() -> Result:
            where, work = self._errand(context)
            wait(where, work, logs.keep)
            return {"FINISHED"}

        return guarded(self, fetch)

    def invoke(self, context: Any, event: Any) -> Result:
        def fetch() -> Result:
            where, work = self._errand(context)
            owner = open_file.Owner(context.scene)  # a text is for the file from which it was asked for
            session.run("log", where, work, lambda message: logs.show(message) if owner.is_here else None)
            return {"FINISHED"}

        return guarded(self, fetch)

    def _errand(self, context: Any) -> tuple[errands.Where, Work]:
        job = chosen(context.scene, self.job)
        return session.where(context.scene), lambda client, tell: logs.fetch(client, job, tell)


class NETRENDER_OT_connect(bpy.types.Operator):
    """Show the farm's jobs and slaves, and keep them up to date"""

    bl_idname = "netrender.connect"
    bl_label = "Connect"

    def execute(self, context: Any) -> Result:
        session.watch(session.where(context.scene))
        return {"FINISHED"}


class NETRENDER_OT_disconnect(bpy.types.Operator):
    """Show the farm no longer"""

    bl_idname = "netrender.disconnect"
    bl_label = "Disconnect"

    def execute(self, context: Any) -> Result:
        session.stop_watching()
        return {"FINISHED"}


class NETRENDER_OT_copy(bpy.types.Operator):
    """Copy the line that other computers need as their address: it has the farm's key in it"""

    bl_idname = "netrender.copy"
    bl_label = "Copy Pairing Line"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return bool(session.own_master)

    def execute(self, context: Any) -> Result:
        context.window_manager.clipboard = session.own_master
        self.report({"INFO"}, "paste it as the address on the other computers")
        return {"FINISHED"}


CLASSES = (
    NETRENDER_OT_copy,
    NETRENDER_OT_send,
    NETRENDER_OT_pause,
    NETRENDER_OT_resume,
    NETRENDER_OT_cancel,
    NETRENDER_OT_reset,
    NETRENDER_OT_log,
    NETRENDER_OT_connect,
    NETRENDER_OT_disconnect,
)
