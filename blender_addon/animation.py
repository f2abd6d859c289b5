"""Animation on network: a job is sent or taken up, and its frames are written by this Blender as they come.

The main thread owns it: it takes the messages of the errand, and renders what can be written. From a script it does so
until all is written; in a window the session's timer does, a little at each tick.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import errands, farm, local_slave, results, snapshot, writing
from .gathering import Gathering, is_one_run

if TYPE_CHECKING:
    from coordinator.client import Client

SHOWN = 5  # failed frames that a report tells everything about


@dataclass
class Animation:
    """One at a time: Blender has one render."""

    scene: str  # its name: nothing of bpy is kept over ticks
    whole: bool  # the output is a movie
    delete_after: bool
    use_local: bool
    errand: errands.Errand | None = None
    sent: bool = False  # whether it was this that sent the job
    job: str = ""
    upload: tuple[int, int] = (0, 0)  # bytes done, in all
    gathering: Gathering | None = None
    folder: Path | None = None
    busy: dict[str, str] = field(default_factory=dict)  # by slave: what it does, for the window
    ended: bool = False  # nothing more comes from the farm
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    slave: local_slave.LocalSlave | None = None
    writing: writing.Writing | None = None  # what a window's Blender renders now

    @property
    def over(self) -> bool:
        return self.ended and (self.gathering is None or self.gathering.next_run() is None)

    def take(self, message: Any) -> None:
        """Something that the errand told."""
        match message:
            case errands.Connected(line=line):
                if self.use_local and self.slave is None:
                    self.slave = local_slave.LocalSlave(line)
            case errands.Uploading(done=done, total=total):
                self.upload = (done, total)
            case errands.Sent(job=job, warnings=warnings):
                self.sent, self.job = True, job
                self.warnings += warnings
                if (scene := bpy.data.scenes.get(self.scene)) is not None:
                    scene.netrender.job = job
            case errands.Fetching(job=job, frames=frames, folder=folder):
                self.job, self.folder = job, folder
                self.gathering = Gathering(frames, self.whole)
                if self.whole and not is_one_run(frames):
                    self.stop(movie_problem(job))
            case errands.Ended(failed=failed, undone=undone):
                self._end(failed, undone)
            case errands.Broke(error=error):
                self.stop(error.message)
            case _:
                self._happened(message)

    def _happened(self, message: Any) -> None:
        gathering = self.gathering
        if gathering is None:
            return
        match message:
            case farm.gathering.FrameSaved(frame=frame):
                gathering.arrive(frame)
            case farm.messages.FrameFailed(frame=frame, message=why, final=True):
                gathering.fail(frame, why)
            case farm.messages.FrameQueued(frame=frame):
                gathering.requeue(frame)
            case farm.messages.FrameStarted(frame=frame, slave=slave):
                self.busy[slave] = f"frame {frame}"
            case farm.messages.FrameProgress(frame=frame, slave=slave, sample=sample, samples=samples):
                self.busy[slave] = f"frame {frame}, sample {sample} of {samples}"
            case farm.messages.FrameDone(slave=slave):
                self.busy.pop(slave, None)

    def _end(self, failed: dict[int, str], undone: tuple[int, ...]) -> None:
        assert self.gathering is not None
        self.gathering.failed = dict(failed)
        self.ended = True
        if failed:
            self.problems.append(_failed_text(self.job, failed, len(self.gathering.frames), movie=self.whole))
        if undone:
            self.problems.append(
                f"job {self.job} was cancelled: {len(undone)} of {len(self.gathering.frames)} frames were not rendered"
            )

    def stop(self, problem: str = "") -> None:
        """End it here; the job and what was gathered stay."""
        self.ended = True
        if problem:
            self.problems.append(problem)
        if self.gathering is not None:
            self.gathering.arrived.clear()
        if self.errand is not None:
            self.errand.cancel()

    def write_ready(self) -> None:
        """Render all that can be written now, in order."""
        while self.gathering is not None and (run := self.gathering.next_run()) is not None:
            assert self.folder is not None
            try:
                writing.write(bpy.data.scenes[self.scene], run, self.folder)
            except (results.NoResult, farm.errors.NetrenderError) as error:
                self.stop(str(error))
                return
            self.gathering.wrote(run)

    def carry_on(self) -> None:
        """The same in a window, where a render is begun and ends some ticks later."""
        if self.writing is not None:
            if writing.is_rendering():
                return
            self.writing.restore()
            failure, interrupted = results.failures.pop(self.scene, ""), self.writing.cancelled
            if self.gathering is not None and not failure and not interrupted:
                self.gathering.wrote(self.writing.run)
            self.writing = None
            if failure or interrupted:
                self.stop(failure or "interrupted while Blender wrote the frames; what was gathered stays in the cache")
            return
        run = self.gathering.next_run() if self.gathering is not None else None
        scene = bpy.data.scenes.get(self.scene)
        if run is None or scene is None or writing.is_rendering():
            return
        assert self.folder is not None
        self.writing = writing.Writing.prepare(scene, run, self.folder)
        try:
            self.writing.render(window=True)
        except farm.errors.NetrenderError as error:
            self.stop(error.message)

    def close(self) -> None:
        """When it is over."""
        if self.slave is not None:
            self.slave.stop()
        complete = self.gathering is not None and not self.gathering.unwritten
        if complete and self.delete_after and self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def begin(scene: Any, where: errands.Where, cache: Path, tell: errands.Tell, *, allow_missing: bool) -> Animation:
    """Send the scene as it is now, and gather its frames. Raises an error of the farm's before anything is sent."""
    wishes = snapshot.wishes(scene, allow_missing=allow_missing)
    if scene.render.is_movie_format and wishes.frames and not is_one_run(farm.submission.parse_frames(wishes.frames)):
        raise farm.errors.UsageError(movie_problem(wishes.frames))
    taken = snapshot.take(scene, cache)

    def work(client: Client, tell: errands.Tell) -> None:
        errands.fetch(client, errands.send(client, taken, wishes, tell), "", cache, tell)

    return _started(scene, where, work, tell)


def take_up(scene: Any, job: str, where: errands.Where, cache: Path, tell: errands.Tell) -> Animation:
    """Gather the frames of a job that is there already."""

    def work(client: Client, tell: errands.Tell) -> None:
        errands.fetch(client, job, "", cache, tell)

    return _started(scene, where, work, tell)


def _started(
    scene: Any, where: errands.Where, work: Callable[[Client, errands.Tell], None], tell: errands.Tell
) -> Animation:
    animation = Animation(
        scene=scene.name,
        whole=scene.render.is_movie_format,
        delete_after=scene.netrender.delete_after,
        use_local=scene.netrender.use_local,
    )
    animation.errand = errands.Errand("animation", where, work, tell)
    return animation


def movie_problem(what: str) -> str:
    return (
        f"{what}: a movie needs one range of frames, such as 1-24 or 1-99x2; "
        "choose an image format for the output, or other frames"
    )


def _failed_text(job: str, failed: dict[int, str], total: int, *, movie: bool) -> str:
    then = "so the movie was not begun" if movie else "the others are written"
    lines = [f"{len(failed)} of {total} frames could not be rendered by the farm, {then} (job {job}):"]
    lines += [f"frame {frame}: {why}" for frame, why in list(failed.items())[:SHOWN]]
    if len(failed) > SHOWN:
        lines.append(f"and {len(failed) - SHOWN} more: {', '.join(map(str, list(failed)[SHOWN:]))}")
    return "\n".join(lines)
