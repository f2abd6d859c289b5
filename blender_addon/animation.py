"""Animation on network: a job is sent or taken up, and its frames are written by this Blender as they come.

The main thread owns it: it takes the messages of the errand, and renders what can be written. From a script it does so
until all is written; in a window the session's timer does, a little at each tick.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import errands, farm, frame_cache, local_slave, open_file, results, sent_jobs, shots, snapshot, writing
from .gathering import Gathering, is_one_run
from .outputs import Outputs
from .writing import Writing

if TYPE_CHECKING:
    from coordinator.client import Client

SHOWN = 5  # failed frames that a report tells everything about


@dataclass
class Animation:
    """One at a time: Blender has one render."""

    scene: str  # its name: nothing of bpy is kept over ticks
    owner: open_file.Owner
    outputs: Outputs
    cache: Path
    where: errands.Where
    whole: bool  # the output is a movie
    delete_after: bool
    use_local: bool
    expected: int = 1  # jobs: one for each scene that the farm renders
    needs: shots.Needs | None = None  # by frame, what the farm renders for it; None: the scene at the job's own frames
    errand: errands.Errand | None = None
    sends: bool = False  # it begins with sending the jobs
    sent: bool = False  # whether it was this that sent the jobs
    jobs: list[str] = field(default_factory=list)
    upload: tuple[int, int] = (0, 0)  # bytes done, in all
    gathering: Gathering | None = None
    folders: dict[str, Path] = field(default_factory=dict)  # by scene
    holds: list[frame_cache.Hold] = field(default_factory=list)
    busy: dict[str, str] = field(default_factory=dict)  # by slave: what it does, for the window
    ended: bool = False  # nothing more comes from the farm
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    slave: local_slave.LocalSlave | None = None
    writing: Writing | None = None  # what a window's Blender renders now
    only_send: threading.Event = field(default_factory=threading.Event)  # nobody waits for frames any more
    left: str = ""  # why its file is not the open one any more, or not for long
    heir: Callable[[Any], None] | None = None  # is told what the errand of one that was left tells
    _shown: str = ""  # the scene whose frames come now
    _sent: int = 0  # jobs
    _ends: int = 0  # jobs
    _told: int = 0  # of the warnings

    @property
    def job(self) -> str:
        """The one that is gathered now, for texts."""
        return self.jobs[-1] if self.jobs else ""

    @property
    def folder(self) -> Path | None:
        """Where the frames lie that come now."""
        return self.folders.get(self._shown)

    @property
    def over(self) -> bool:
        return self.ended and (self.gathering is None or self.gathering.next_run() is None)

    def take(self, message: Any) -> None:
        """Something that the errand told."""
        if self.left and not isinstance(message, errands.Uploading | errands.Sent):
            return
        match message:
            case errands.Connected(line=line):
                if self.use_local and self.slave is None:
                    self.slave = local_slave.LocalSlave(line)
            case errands.Uploading(done=done, total=total):
                self.upload = (done, total)
            case errands.Sent(job=job, scene=rendered, warnings=warnings):
                self.sent = True
                self._remember(job)
                self.warnings += [text for text in warnings if text not in self.warnings]
                remember_job(self.owner, self.cache, job, self.scene, rendered)
                self._sent += 1
            case errands.Fetching(job=job, scene=rendered, frames=frames, folder=folder):
                self._remember(job)
                self._shown = rendered or self.scene
                self.folders[self._shown] = folder
                self.holds.append(frame_cache.Hold(folder))  # until its frames are written
                if self.gathering is None:
                    needs = self.needs or {frame: frozenset({(self._shown, frame)}) for frame in frames}
                    self.gathering = Gathering(needs, self.whole)
                    if self.whole and not is_one_run(needs):
                        self.stop(movie_problem(job))
            case errands.Ended(job=job, failed=failed, undone=undone):
                self._end(job, failed, undone)
            case errands.Warned(text=text):
                if not self.use_local:  # or the slave is about to come
                    self.warnings.append(text)
            case errands.Broke(error=error):
                self.stop(error.message)
            case _:
                self._happened(message)

    def new_warnings(self) -> list[str]:
        """Those that were not asked for yet."""
        new, self._told = self.warnings[self._told :], len(self.warnings)
        return new

    def _remember(self, job: str) -> None:
        if job in self.jobs:
            self.jobs.remove(job)
        self.jobs.append(job)

    def _happened(self, message: Any) -> None:
        gathering = self.gathering
        if gathering is None:
            return
        match message:
            case farm.gathering.FrameSaved(frame=frame):
                gathering.arrive((self._shown, frame))
            case farm.messages.FrameFailed(frame=frame, message=why, final=True):
                gathering.fail((self._shown, frame), why)
            case farm.messages.FrameQueued(frame=frame):
                gathering.requeue((self._shown, frame))
            case farm.messages.FrameStarted(frame=frame, slave=slave):
                self.busy[slave] = f"frame {frame}"
            case farm.messages.FrameProgress(frame=frame, slave=slave, sample=sample, samples=samples):
                self.busy[slave] = f"frame {frame}, sample {sample} of {samples}"
            case farm.messages.FrameDone(slave=slave):
                self.busy.pop(slave, None)

    def _end(self, job: str, failed: dict[int, str], undone: tuple[int, ...]) -> None:
        assert self.gathering is not None
        for frame, why in failed.items():
            self.gathering.fail((self._shown, frame), why)
        for frame in undone:  # those behind them are written all the same
            self.gathering.fail((self._shown, frame), "its job was cancelled")
        total = len(self.gathering.frames)
        if failed:
            self.problems.append(_failed_text(job, failed, total, movie=self.whole))
        if undone:
            self.problems.append(f"job {job} was cancelled: {len(undone)} of {total} frames were not rendered")
        self._ends += 1
        self.ended = self._ends >= self.expected

    def stop(self, problem: str = "", *, cancel: bool = True) -> None:
        """End it here; the job and what was gathered stay."""
        self.ended = True
        if problem:
            self.problems.append(problem)
        if self.gathering is not None:
            self.gathering.arrived.clear()
        if cancel and self.errand is not None:
            self.errand.cancel()

    @property
    def is_sending(self) -> bool:
        """Whether files are on their way, without which the farm cannot render what was sent."""
        return self.sends and self._sent < self.expected and self.errand is not None and self.errand.alive

    def leave(self, why: str = "another file was opened") -> None:
        """End it here, because its file is not the open one any more. What is being sent goes on; so do the jobs."""
        if not self.left:
            self.left = why
            self.only_send.set()
            self.stop(self.left_text, cancel=not self.is_sending)

    @property
    def left_text(self) -> str:
        """How far it came and how it goes on; empty if all of it is written."""
        gathering, so_far = self.gathering, "no frame is written"
        if gathering is not None and not gathering.unwritten:
            return ""
        if self.is_sending:
            so_far = "it is still being sent"
        elif gathering is not None:
            written = len(gathering.written) + (self.writing.finished if self.writing is not None else 0)
            so_far = f"{written} of {len(gathering.frames)} frames are written"
        if self.owner.path:
            then = f"open {self.owner.title} and press Get Animation"
        elif self.jobs:
            then = " and ".join(f"its frames: netrender gather {job} --output FOLDER" for job in self.jobs)
        else:
            then = "its job is among the farm's jobs"
        return (
            f"Animation of {self.owner.title}: {so_far}; gathering ended because {self.left}. The farm goes on; {then}"
        )

    def _is_ours(self) -> bool:
        """Whether frames may be written: into no other file, and into no scene that only has the same name."""
        if self.owner.is_here and self.owner.scene(self.scene) is not None:
            return not self.left
        self.leave("another file was opened, or its scene was removed or renamed")
        return False

    def write_ready(self) -> None:
        """Render all that can be written now, in order."""
        while self._is_ours() and self.gathering is not None and (run := self.gathering.next_run()) is not None:
            try:
                writing.write(self.scene, self.owner, self.outputs, run, self.folders)
            except writing.NotOurs as error:
                self.leave(str(error))
                return
            except (results.NoResult, farm.errors.NetrenderError) as error:
                self.stop(str(error))
                return
            self.gathering.wrote(run)

    def carry_on(self) -> None:
        """The same in a window, where a render is begun and ends some ticks later."""
        if self.writing is not None:
            if not writing.is_rendering():
                self._wrote(self.writing)
            return
        run = self.gathering.next_run() if self._is_ours() and self.gathering is not None else None
        if run is None or writing.is_rendering():
            return
        try:
            self.writing = Writing.prepare(self.scene, self.owner, self.outputs, run, self.folders)
            self.writing.render(window=True)
        except writing.NotOurs as error:
            self.leave(str(error))
        except farm.errors.NetrenderError as error:
            self.stop(error.message)

    def _wrote(self, ended: Writing) -> None:
        self.writing = None  # first: what cannot be put back is not tried at every tick
        failure = ended.restore()
        if self.left:
            return  # and said so
        if failure or ended.cancelled:
            self.stop(failure or "interrupted while Blender wrote the frames; what was gathered stays in the cache")
        elif self.gathering is not None:
            self.gathering.wrote(ended.run)

    def close(self) -> None:
        """When it is over."""
        if self.slave is not None:
            self.slave.stop()
        for hold in self.holds:
            hold.release()
        complete = self.gathering is not None and not self.gathering.unwritten
        if complete and self.delete_after:
            for folder in self.folders.values():
                shutil.rmtree(folder, ignore_errors=True)


def begin(scene: Any, where: errands.Where, cache: Path, tell: errands.Tell, *, allow_missing: bool) -> Animation:
    """Send what the scene shows as it is now, and gather its frames. Raises an error of the farm's before it sends."""
    wanted = frames(scene)
    if scene.render.is_movie_format and not is_one_run(wanted):
        raise farm.errors.UsageError(movie_problem(scene.netrender.frames))
    needs = shots.needs(scene, _not_kept(scene, wanted))
    rendered = shots.scenes(needs)
    animation = prepared(scene, where, cache, needs, len(rendered))
    if not rendered:
        animation.gathering, animation.ended = Gathering(needs, animation.whole), True
        if needs:
            animation.warnings.append(f"the sequencer of {scene.name!r} has no scene strip: the farm has nothing to do")
        return animation
    taken, wishes = snapshot.for_jobs(scene, rendered, cache, allow_missing=allow_missing)

    def work(client: Client, tell: errands.Tell) -> None:
        jobs = errands.send_all(client, taken, wishes, tell)
        for job, wish in zip(jobs, wishes, strict=True):
            if not animation.only_send.is_set():
                errands.fetch(client, job, "", cache, tell, scene=wish.scene or "")

    animation.sends = True
    animation.errand = errands.Errand("animation", where, work, tell)
    return animation


def take_up(scene: Any, job: str, where: errands.Where, cache: Path, tell: errands.Tell) -> Animation:
    """Gather the frames of a job that is there already, or of all that the scene's last *Animation on network* sent."""
    needs: shots.Needs | None = None
    jobs = [(job, "", scene.name)]
    if job == scene.netrender.job:
        needs = shots.needs(scene, frames(scene))
        shown = shots.scenes(needs)
        if shown.keys() <= {scene.name}:
            needs = None  # the job knows its frames
        else:
            jobs = [(_job_of(name), str(farm.frames.FrameRange.of(those)), name) for name, those in shown.items()]

    def work(client: Client, tell: errands.Tell) -> None:
        for each, those, name in jobs:
            errands.fetch(client, each, those, cache, tell, scene=name)

    animation = prepared(scene, where, cache, needs, len(jobs))
    animation.errand = errands.Errand("animation", where, work, tell)
    return animation


def prepared(scene: Any, where: errands.Where, cache: Path, needs: shots.Needs | None, expected: int) -> Animation:
    return Animation(
        scene=shots.name_of(scene),
        owner=open_file.Owner(scene),
        outputs=Outputs(scene),
        cache=cache,
        where=where,
        whole=scene.render.is_movie_format,
        delete_after=scene.netrender.delete_after,
        use_local=scene.netrender.use_local,
        needs=needs,
        expected=expected,
    )


def frames(scene: Any) -> tuple[int, ...]:
    """Those that are asked for. Raises BadFramesError."""
    if scene.netrender.frames:
        return tuple(farm.submission.parse_frames(scene.netrender.frames))
    return tuple(farm.frames.FrameRange.between(scene.frame_start, scene.frame_end, scene.frame_step))


def _not_kept(scene: Any, frames: tuple[int, ...]) -> tuple[int, ...]:
    """Without those whose file is there and is not to be overwritten: Blender would leave out the same."""
    render = scene.render
    if render.use_overwrite or render.is_movie_format or render.use_multiview:
        return frames
    return tuple(frame for frame in frames if not Path(render.frame_path(frame=frame)).exists())


def _job_of(scene: str) -> str:
    found: Any = bpy.data.scenes[scene]
    job = str(found.netrender.job)
    if not job:
        raise farm.errors.UsageError(f"no job was sent for scene {scene!r}, which a strip shows: send this scene again")
    return job


def remember_job(owner: open_file.Owner, cache: Path, job: str, *scenes: str) -> None:
    """As the one that operators mean where none is named: in the scenes, and for when their file is opened again."""
    sent_jobs.remember(cache, owner.path, scenes, job)
    for name in scenes:
        scene = owner.scene(name)
        if scene is not None:
            scene.netrender.job = job


def recall_jobs(cache: Path) -> None:
    """For the file that was just opened: what was sent from it and not saved with it."""
    for name, job in sent_jobs.recall(cache, bpy.data.filepath).items():
        scene: Any = next((each for each in bpy.data.scenes if each.name == name and each.library is None), None)
        if scene is not None:
            scene.netrender.job = job


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
