"""``netrender archive`` and ``restore``: a job that is over as one file, and back."""

import argparse
from pathlib import Path

from .arguments import Commands, add_coordinator, add_job, add_json, address, command


def add(commands: Commands) -> None:
    parser = command(commands, "archive", run_archive, "Keep a job that is over in one file, with its results.")
    add_job(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="a tar file, which is written")
    add_coordinator(parser)
    parser = command(commands, "restore", run_restore, "Bring a job back that was archived.")
    parser.add_argument("file", metavar="FILE", type=Path)
    add_coordinator(parser)
    add_json(parser)


def run_archive(args: argparse.Namespace) -> int:
    from ..client import Client
    from .output import show

    with Client(address(args)) as client:
        job = client.job(args.job)
        size = client.archive(job.id, args.file)
    show(f"job {job.id} ({job.name}) is in {args.file}: {size / 1e6:.1f} MB")
    return 0


def run_restore(args: argparse.Namespace) -> int:
    from ..client import Client
    from .output import document, show

    with Client(address(args)) as client:
        info = client.restore(args.file)
    if args.json:
        document(info)
    else:
        show(f"job {info.id} ({info.name}): {info.state}: {info.reason}")
    return 0
