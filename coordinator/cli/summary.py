"""How a job is told in words: what was rendered, when, how fast and by whom."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..gathering import Gathered
from ..protocol import codec
from ..protocol.jobs import FrameInfo, JobInfo
from ..protocol.states import FrameState
from .output import count, duration, when

LISTED = 20  # failed frames that are told one by one


def gathered_lines(gathered: Gathered, output: Path | None) -> list[str]:
    """The last words of ``render``, ``gather`` and ``submit --wait``."""
    job = gathered.job
    where = "done" if output is None else f"in {output}"
    lines = [
        f"job {job.id} ({job.name}) {job.state}: {gathered.saved} of {count(len(gathered.frames), 'frame')} {where}"
    ]
    lines += [*_times(job), *_shares(job)]
    lines += _failures(gathered.failed)
    if gathered.undone:
        lines.append(f"not done: {gathered.undone}")
    return lines


def gathered_json(gathered: Gathered, output: Path | None) -> dict[str, Any]:
    """The same for a program."""
    return {
        "type": "summary",
        "job": codec.unstructure(gathered.job),
        "frames": str(gathered.frames),
        "saved": gathered.saved,
        "failed": {str(frame): message for frame, message in gathered.failed.items()},
        "undone": str(gathered.undone),
        "output": None if output is None else str(output),
        "frames_per_minute": frames_per_minute(gathered.job),
    }


def job_lines(job: JobInfo, frames: Iterable[FrameInfo]) -> list[str]:
    """``netrender job``."""
    counts = job.counts
    lines = [
        f"job {job.id} ({job.name}): {job.state}" + (f": {job.reason}" if job.reason else ""),
        f"frames {job.frames}: {counts.done} done, {counts.dispatched} with slaves, {counts.queued} queued, "
        f"{counts.error} failed",
        f"priority {job.priority}, Blender {job.blender or 'not chosen yet'}, created {when(job.created)}",
    ]
    lines += [*_times(job), *_shares(job)]
    frames = list(frames)
    for frame in frames:
        if frame.state is FrameState.DISPATCHED:
            lines.append(f"frame {frame.frame}: with {frame.slave}")
    lines += _failures({frame.frame: frame.error for frame in frames if frame.state is FrameState.ERROR})
    return lines


def frames_per_minute(job: JobInfo) -> float | None:
    """None while the job goes on."""
    if job.started is None or job.finished is None or job.finished <= job.started:
        return None
    return 60 * job.counts.done / (job.finished - job.started)


def _times(job: JobInfo) -> list[str]:
    if job.started is None:
        return []
    if job.finished is None:
        return [f"started {when(job.started)}"]
    rate = frames_per_minute(job)
    return [
        f"started {when(job.started)}, ended {when(job.finished)}: {duration(job.finished - job.started)}, "
        f"{count(job.counts.done, 'frame')}" + ("" if rate is None else f", {rate:.1f} frames a minute")
    ]


def _shares(job: JobInfo) -> list[str]:
    total = sum(job.slaves.values())
    ranking = sorted(job.slaves.items(), key=lambda share: (-share[1], share[0]))
    return [f"  {name}: {count(frames, 'frame')} ({frames / total:.0%})" for name, frames in ranking if frames]


def _failures(failed: dict[int, str]) -> list[str]:
    lines = [f"frame {frame} failed: {message}" for frame, message in list(failed.items())[:LISTED]]
    if len(failed) > LISTED:
        lines.append(f"and {len(failed) - LISTED} more frames failed")
    return lines
