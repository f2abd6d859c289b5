"""F12: the frame that the scene is at, from a job that was sent from this file, or else as a job of one frame.

Runs in ``engine.render``, on Blender's render thread, which may wait and looks whether the user pressed Esc.
"""

from __future__ import annotations

import queue
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import errands, farm, results, session, snapshot
from .snapshot import Snapshot

if TYPE_CHECKING:
    from coordinator.client import Client
    from coordinator.submission import Wishes

LOOK = 0.1  # seconds between two looks at whether the user pressed Esc: Blender only tells when asked


def fetch(engine: Any, scene: Any) -> Path | None:
    """The frame's file in the cache; None if the user interrupted it. Raises NoResult or an error of the farm's."""
    frame, cache = scene.frame_current, session.cache()
    if engine.is_animation:
        # Blender would write a black image for a frame that failed, and go on.
        raise results.NoResult('an animation is rendered on the network by "Animation on network", not by this command')
    taken = snapshot.take(scene, cache)
    wishes = snapshot.wishes(scene, frames=str(frame))
    job = scene.netrender.job
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work(client: Client, tell: errands.Tell) -> None:
        _work(client, tell, job, frame, cache, taken, wishes)

    errand = errands.Errand("still", session.where(scene), work, messages.put)
    try:
        return _wait(engine, frame, messages, cache)
    finally:
        errand.cancel()


def _work(
    client: Client, tell: errands.Tell, job: str, frame: int, cache: Path, taken: Snapshot, wishes: Wishes
) -> None:
    if job and _has(client, job, frame):
        taken.discard()
    else:
        job = errands.send(client, taken, wishes, tell)
    errands.fetch(client, job, str(frame), cache, tell)


def _has(client: Client, job: str, frame: int) -> bool:
    """Whether the job is there and will have this frame."""
    try:
        info = client.job(job)
    except farm.errors.NotFoundError:
        return False
    return info.state is not farm.states.JobState.CANCELLED and frame in farm.frames.FrameRange.parse(info.frames)


def _wait(engine: Any, frame: int, messages: queue.SimpleQueue[Any], cache: Path) -> Path | None:
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
            case errands.Ended(failed=failed):
                raise results.NoResult(failed.get(frame, f"frame {frame}: its job was cancelled"))
            case errands.Broke(error=error):
                raise error
    return None
