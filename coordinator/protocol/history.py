"""What must hold between a job and its frames, wherever they come from: an archive, or rows of the database. No I/O."""

from collections import Counter
from collections.abc import Iterable

from ..errors import BadRequestError
from .frames import FrameRange
from .jobs import Counts, FrameInfo, JobInfo, Manifest
from .states import ENDED, FrameState, JobState


def check_frame(frame: int, state: FrameState, seconds: float | None, sha256: str, size: int, *, discard: bool) -> None:
    """Raises BadRequestError if no frame can be so. With ``discard`` the job's results are not kept."""
    if state is FrameState.DONE:
        if seconds is None:
            raise BadRequestError(f"frame {frame} is done, and has no seconds")
        if not sha256 and not discard:
            raise BadRequestError(f"frame {frame} is done, and has no result")
    elif sha256 or size:
        raise BadRequestError(f"frame {frame} is {state}, and has a result")


def check_archive(manifest: Manifest, job: JobInfo, frames: Iterable[FrameInfo]) -> None:
    """Raises BadRequestError unless this is a job that is over, and these are its frames."""
    told = (job.id, job.name, job.frames)
    if job.state not in ENDED or told != (manifest.id, manifest.name, manifest.frames):
        raise BadRequestError("the job is not over, or not that of the manifest")
    theirs = FrameRange.parse(manifest.frames)
    states: dict[int, FrameState] = {}
    for frame in frames:
        check_frame(frame.frame, frame.state, frame.seconds, frame.sha256, frame.size, discard=manifest.discard)
        if frame.frame not in theirs:
            raise BadRequestError(f"frame {frame.frame} is not one of the job's")
        if frame.frame in states:
            raise BadRequestError(f"frame {frame.frame} is there twice")
        states[frame.frame] = frame.state
    found = Counter(states.values())
    counts = Counts(
        queued=len(theirs) - sum(found.values()) + found[FrameState.QUEUED],
        dispatched=found[FrameState.DISPATCHED],
        done=found[FrameState.DONE],
        error=found[FrameState.ERROR],
    )
    check_job(job.id, job.state, job.blender, job.started, manifest, counts)
    if counts != job.counts:
        raise BadRequestError("the counts are not those of the frames")
    if sum(job.slaves.values()) > counts.done:
        raise BadRequestError("slaves did more frames than are done")


def check_job(
    job: str, state: JobState, blender: str, started: float | None, manifest: Manifest, counts: Counts
) -> None:
    """Raises BadRequestError if a job in this state cannot have these frames."""
    if state in ENDED and counts.dispatched:
        raise BadRequestError(f"job {job} is {state}, and slaves have frames of it")
    if state not in ENDED and counts.done + counts.error == counts.total:
        raise BadRequestError(f"job {job} is {state}, and all its frames are over")
    if counts.done + counts.dispatched and (not blender or started is None):
        raise BadRequestError(f"job {job} has frames that were rendered, and no Blender or no time of its start")
    if blender and _numbers(blender) < _numbers(manifest.blender):
        raise BadRequestError(f"job {job} is rendered with Blender {blender}, and needs {manifest.blender}")


def _numbers(series: str) -> tuple[int, ...]:
    return tuple(map(int, series.split(".")))
