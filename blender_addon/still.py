"""F12: the frame that the scene is at, from a job that was sent from this file, or else as a job of one frame.

Blender's own "Render Animation" works too, with a job of all frames; *Animation on network* need not wait for each.

``fetch`` runs in ``engine.render``, on Blender's render thread, which may wait and looks whether the user pressed Esc.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import errands, farm, results, session, shots, snapshot, writing

if TYPE_CHECKING:
    from coordinator.client import Client

LOOK = 0.1  # seconds between two looks at whether the user pressed Esc: Blender only tells when asked


def render(scene: Any, how: str, *, write_still: bool) -> set[str]:
    """F12 with the engine NETRENDER. From a script it returns at the end, and raises NoResult if there is no image."""
    rendered = shots.scenes(shots.needs(scene, [scene.frame_current]))
    shown = writing.Shown([scene, *(bpy.data.scenes[name] for name in rendered if name != scene.name)], scene)
    results.failures.clear()
    if how == "EXEC_DEFAULT":
        try:
            bpy.ops.render.render(how, write_still=write_still, scene=scene.name)
        except RuntimeError as error:  # what `error_set` said, among others
            raise results.NoResult(results.take_failure() or " ".join(str(error).split())) from error
        finally:
            shown.restore()
        if failure := results.take_failure():
            raise results.NoResult(failure)
        return {"FINISHED"}
    started: Any = bpy.ops.render.render(how, write_still=write_still, scene=scene.name)

    def restore() -> None:
        if not writing.is_rendering():
            session.no_more_ticks(restore)
            shown.restore()

    session.each_tick(restore)
    return {"CANCELLED"} if "CANCELLED" in started else {"FINISHED"}


def fetch(engine: Any, scene: Any) -> Path | None:
    """The frame's file in the cache; None if the user interrupted it. Raises NoResult or an error of the farm's."""
    asked_by = bpy.data.scenes.get(results.asked_by.get(scene.name, "")) or scene
    frame, cache, where = scene.frame_current, session.cache(), session.where(asked_by)
    # Blender's own "Render Animation" asks for one frame after the other: the first sends all of them.
    all_of_it = engine.is_animation and scene.name not in results.sources
    job = _animations.get(scene.name, "") if all_of_it else scene.netrender.job
    if job:
        path = _run(engine, where, frame, lambda client, tell: _look(client, job, frame, cache, tell))
        if path is not NOT_THERE:
            return path
    frames = (
        farm.frames.FrameRange.between(frame, max(frame, scene.frame_end), scene.frame_step) if all_of_it else frame
    )
    taken, wishes = snapshot.take([scene], cache), snapshot.wishes(asked_by, of=scene, frames=str(frames))

    def work(client: Client, tell: errands.Tell) -> None:
        job = errands.send(client, taken, wishes, tell)
        if all_of_it:
            _animations[wishes.scene or ""] = job
        errands.fetch(client, job, str(frame), cache, tell)

    return _run(engine, where, frame, work)


_animations: dict[str, str] = {}  # by scene that Blender renders by itself: its job


def forget_animations() -> None:
    """When Blender begins another render."""
    _animations.clear()


NOT_THERE = Path()  # no job has the frame


def _look(client: Client, job: str, frame: int, cache: Path, tell: errands.Tell) -> None:
    if _has(client, job, frame):
        errands.fetch(client, job, str(frame), cache, tell)
    else:
        tell(NOT_THERE)


def _has(client: Client, job: str, frame: int) -> bool:
    """Whether the job is there and will have this frame."""
    try:
        info = client.job(job)
    except farm.errors.NotFoundError:
        return False
    return info.state is not farm.states.JobState.CANCELLED and frame in farm.frames.FrameRange.parse(info.frames)


def _run(engine: Any, where: errands.Where, frame: int, work: Callable[[Client, errands.Tell], None]) -> Path | None:
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    errand = errands.Errand("still", where, work, messages.put)
    try:
        return _wait(engine, frame, messages)
    finally:
        errand.cancel()


def _wait(engine: Any, frame: int, messages: queue.SimpleQueue[Any]) -> Path | None:
    engine.update_stats("", "Netrender: sending the scene")
    while not engine.test_break():
        try:
            message = messages.get(timeout=LOOK)
        except queue.Empty:
            continue
        match message:
            case errands.Uploading(done=done, total=total):
                engine.update_stats("", f"Netrender: sent {done / 1e6:.1f} of {total / 1e6:.1f} MB")
            case errands.Fetching():
                engine.update_stats("", f"Netrender: frame {frame} waits for a slave")
            case errands.Warned(text=text):
                engine.update_stats("", f"Netrender: {text}")
                engine.report({"WARNING"}, text)
            case farm.messages.FrameStarted(slave=slave):
                engine.update_stats("", f"Netrender: frame {frame} renders on {slave}")
            case farm.messages.FrameProgress(slave=slave, sample=sample, samples=samples):
                engine.update_stats("", f"Netrender: frame {frame} on {slave}, sample {sample} of {samples}")
                engine.update_progress(sample / max(1, samples))
            case farm.gathering.FrameSaved(path=path):
                return Path(path)
            case Path():
                return NOT_THERE
            case errands.Ended(failed=failed):
                raise results.NoResult(failed.get(frame, f"frame {frame}: its job was cancelled"))
            case errands.Broke(error=error):
                raise error
    return None
