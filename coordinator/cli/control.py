"""``netrender cancel``, ``pause``, ``resume`` and ``reset``."""

import argparse
from functools import partial
from typing import TYPE_CHECKING

from .arguments import Commands, add_coordinator, add_job, add_json, address, command

if TYPE_CHECKING:
    from ..client import Command

TEXTS: "dict[Command, str]" = {
    "cancel": "End a job; frames that are done stay.",
    "pause": "Hand out no more of a job; what is rendering ends.",
    "resume": "Go on with a job that was paused.",
    "reset": "Queue a job's failed frames again, or a cancelled job.",
}


def add(commands: Commands) -> None:
    for name, text in TEXTS.items():
        parser = command(commands, name, partial(run, name), text)
        add_job(parser)
        add_coordinator(parser)
        add_json(parser)


def run(what: "Command", args: argparse.Namespace) -> int:
    from ..client import Client
    from .output import document, show

    with Client(address(args)) as client:
        info = client.command(client.job(args.job).id, what)
    if args.json:
        document(info)
    else:
        show(f"job {info.id} ({info.name}): {info.state}" + (f": {info.reason}" if info.reason else ""))
    return 0
