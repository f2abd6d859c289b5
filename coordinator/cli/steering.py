"""``netrender why``, ``set`` and ``heal``: what the scheduler does, and what can be changed about it."""

import argparse
from typing import TYPE_CHECKING

from ..errors import UsageError
from .arguments import Commands, add_coordinator, add_job, add_json, address, command, number

if TYPE_CHECKING:
    from ..client import Client
    from ..protocol.jobs import Explanation

SLAVE = "its name (of several, the one that is connected) or its id, or the beginning of the id if no other begins so"


def add(commands: Commands) -> None:
    text = "Say why a job has the slaves that it has, or why a slave is idle."
    parser = command(commands, "why", run_why, text)
    parser.add_argument(
        "subject",
        metavar="JOB|SLAVE",
        help="a job's id; else a slave's name or id; else the beginning of one of these ids, if no other begins so",
    )
    add_json(parser)
    add_coordinator(parser)

    parser = command(commands, "set", run_set, "Change a job that is there.")
    add_job(parser)
    parser.add_argument("--priority", metavar="N", type=number(1, 10))
    parser.add_argument("--max-slaves", metavar="N", type=number(0, 10**6), help="at once; 0 for no limit")
    add_coordinator(parser)

    parser = command(commands, "heal", run_heal, "Forget a slave's failures, so that it gets work again.")
    parser.add_argument("slave", metavar="SLAVE", help=SLAVE)
    add_coordinator(parser)


def run_why(args: argparse.Namespace) -> int:
    from ..client import Client
    from .output import document, show

    with Client(address(args)) as client:
        explanation = _why(client, args.subject)
    if args.json:
        document(explanation)
    else:
        show(f"{explanation.about} ({explanation.name}):")
        show("\n".join(f"  {fact.text}" for fact in explanation.facts))
    return 0


def _why(client: "Client", subject: str) -> "Explanation":
    from ..protocol.jobs import JobInfo

    found = client.job_or_slave(subject)
    return client.why_job(found.id) if isinstance(found, JobInfo) else client.why_slave(found.id)


def run_set(args: argparse.Namespace) -> int:
    from ..client import Client
    from ..protocol.jobs import JobChanges
    from .output import show

    if args.priority is None and args.max_slaves is None:
        raise UsageError("nothing to change; give --priority N or --max-slaves N")
    with Client(address(args)) as client:
        changes = JobChanges(priority=args.priority, max_slaves=args.max_slaves)
        info = client.change(client.job(args.job).id, changes)
    most = f"at most {info.max_slaves} slaves" if info.max_slaves else "any number of slaves"
    show(f"job {info.id} ({info.name}): priority {info.priority}, {most}")
    return 0


def run_heal(args: argparse.Namespace) -> int:
    from ..client import Client
    from .output import show

    with Client(address(args)) as client:
        info = client.heal(client.slave(args.slave).id)
    then = f"; it looks whether it can render again: {info.aside}" if info.aside else ""
    there = "" if info.connected else "; it is not connected"
    show(f"the failures of slave {info.name} are forgotten{then}{there}")
    return 0
