"""F12: the frame that the scene is at, from a job that was sent from this file, or else as a job of one frame.

``fetch`` runs in ``engine.render``, on Blender's render thread, which may wait and looks whether the user pressed Esc.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import errands, farm, properties, results, session, snapshot, writing

if TYPE_CHECKING:
    from coordinator.client import Client

LOOK = 0.1  # seconds between two looks at whether the user pressed Esc: Blender only tells when asked


def render(scene: Any, how: str, *, write_still: bool) -> set[str]:
    """F12 with the engine NETRENDER. From a script it returns at the end, and raises NoResult if there is no image."""
    before = scene.render.engine
    scene.render.engine = properties.ENGINE
    name = scene.name
    results.failures.pop(name, None)
    if how == "EXEC_DEFAULT":
        try:
            bpy.ops.render.render(how, write_still=write_still, scene=name)
        except RuntimeError as error:  # what `error_set` said, among others
            raise results.NoResult(results.failures.pop(name, " ".join(str(error).split()))) from error
        finally:
            scene.render.engine = before
        if failure := results.failures.pop(name, ""):
            raise results.NoResult(failure)
        return {"FINISHED"}
    started: Any = bpy.ops.render.render(how, write_still=write_still, scene=name)

    def restore() -> None:
        if not writing.is_rendering():
            session.no_more_ticks(restore)
            if name in bpy.data.scenes:
                bpy.data.scenes[name].render.engine = before

    session.each_tick(restore)
    return {"CANCELLED"} if "CANCELLED" in started else {"FINISHED"}


def fetch(engine: Any, scene: Any) -> Path | None:
    """The frame's file in the cache; None if the user interrupted it. Raises NoResult or an error of the farm's."""
    frame, cache = scene.frame_current, session.cache()
    if engine.is_animation:
        # Blender would write a black image for a frame that failed, and go on.
        raise results.NoResult('an animation is rendered on the network by "Animation on network", not by this command')
    where, job = session.where(scene), scene.netrender.job
    if job:
        path = _run(engine, where, frame, lambda client, tell: _look(client, job, frame, cache, tell))
        if path is not NOT_THERE:
            return path
    taken, wishes = snapshot.take(scene, cache), snapshot.wishes(scene, frames=str(frame))

    def work(client: Client, tell: errands.Tell) -> None:
        errands.fetch(client, errands.send(client, taken, wishes, tell), str(frame), cache, tell)

    return _run(engine, where, frame, work)


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
