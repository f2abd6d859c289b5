"""``netrender jobs``, ``job``, ``slaves`` and ``log``: what there is, and what it says."""

import argparse
import sys
import time
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from ..errors import NotFoundError
from ..protocol.jobs import CONFINABLE
from .arguments import Commands, add_coordinator, add_job, add_json, address, command

if TYPE_CHECKING:
    from ..client import Client
    from ..protocol.jobs import JobInfo, SlaveInfo
    from ..protocol.messages import Event


def add(commands: Commands) -> None:
    for name, run, text in (
        ("jobs", run_jobs, "List all jobs, newest first."),
        ("job", run_job, "Show one job: its frames, errors and slaves."),
        ("slaves", run_slaves, "List all slaves, and what they render."),
        ("log", run_log, "Show what Blender said about a frame."),
    ):
        parser = command(commands, name, run, text)
        if name in ("job", "log"):
            add_job(parser)
        if name == "log":
            parser.add_argument("frame", metavar="FRAME", type=int)
            parser.add_argument("--follow", action="store_true", help="go on until the frame is done or given up")
        else:
            add_json(parser)
        add_coordinator(parser)


def run_jobs(args: argparse.Namespace) -> int:
    from ..client import Client
    from .output import document, table, when

    with Client(address(args)) as client:
        jobs = client.jobs()
    if args.json:
        document(jobs)
    else:
        rows = [[j.id, j.name, j.state, _done(j), str(j.counts.error), str(j.priority), when(j.created)] for j in jobs]
        table(["id", "name", "state", "frames", "errors", "priority", "created"], rows)
    return 0


def run_job(args: argparse.Namespace) -> int:
    from ..client import Client
    from ..protocol import codec
    from .output import document, show
    from .summary import job_lines

    with Client(address(args)) as client:
        info = client.job(args.job)
        frames = client.frames(info.id)
    if args.json:
        document({"job": codec.unstructure(info), "frames": codec.unstructure(frames)})
    else:
        show("\n".join(job_lines(info, frames)))
    return 0


def run_slaves(args: argparse.Namespace) -> int:
    from ..client import Client
    from .output import document, duration, table

    with Client(address(args)) as client:
        slaves = client.slaves()
    if args.json:
        document(slaves)
        return 0
    rows = []
    for slave in slaves:
        if not slave.connected:
            doing = f"away for {duration(max(0.0, time.time() - slave.last_seen))}"
        elif slave.aside:
            doing = f"set aside: {slave.aside}"
        elif slave.sick:
            doing = f"sick: {slave.sick}"
        elif slave.frame is not None:
            doing = f"job {slave.job} frame {slave.frame}"
        else:
            doing = f"job {slave.job}" if slave.job else "idle"
        rows.append([slave.name, slave.host, slave.blender, str(slave.threads), _confined(slave), doing])
    table(["name", "host", "blender", "threads", "confined", "doing"], rows)
    return 0


def _confined(slave: "SlaveInfo") -> str:
    """What its renderer has given up before it opens a file that somebody sent."""
    if not slave.connected:
        return "-"
    if set(slave.confined) == set(CONFINABLE):
        return "yes"
    return f"only {', '.join(slave.confined)}" if slave.confined else "no"


def run_log(args: argparse.Namespace) -> int:
    from ..client import Client

    with Client(address(args)) as client:
        info = client.job(args.job)
        if args.follow:
            # The stream first: what is appended after the first look is an event.
            with closing(client.events(info.id)) as events:
                _follow(client, info, args.frame, events)
        else:
            _write(client.log(info.id, args.frame))
    return 0


def _follow(client: "Client", info: "JobInfo", frame: int, events: "Generator[Event | None, None, None]") -> None:
    from ..protocol.messages import FrameDone, FrameFailed, JobChanged, LogAppended
    from ..protocol.states import ENDED, FrameState

    offset = 0

    def more() -> None:
        nonlocal offset
        try:
            text = client.log(info.id, frame, offset)
        except NotFoundError:  # nothing was said yet
            return
        _write(text)
        offset += len(text)

    more()
    state = next((f.state for f in client.frames(info.id) if f.frame == frame), FrameState.QUEUED)
    if state in (FrameState.DONE, FrameState.ERROR):
        return
    for event in events:
        match event:
            case LogAppended(frame=number, size=size) if number == frame and size > offset:
                more()
            case FrameDone(frame=number) if number == frame:
                break
            case FrameFailed(frame=number, final=True) if number == frame:
                break
            case JobChanged(job=job) if job.id == info.id and job.state in ENDED:
                break
    more()


def _write(text: bytes) -> None:
    if sys.stdout.isatty():  # a program gets the bytes as they are
        from .plain import plain

        text = plain(text.decode(errors="backslashreplace")).encode()
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def _done(job: "JobInfo") -> str:
    return f"{job.counts.done} of {job.counts.total}"
