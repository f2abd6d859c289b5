"""``netrender render``, ``submit`` and ``gather``: a .blend goes in, frames come out."""

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StorageError, UsageError
from .arguments import (
    Commands,
    add_coordinator,
    add_frames,
    add_job,
    add_json,
    add_machine,
    add_wishes,
    address,
    command,
    number,
    wishes,
)

if TYPE_CHECKING:
    from ..client import Client
    from ..gathering import Gathered
    from ..protocol.frames import FrameRange
    from ..protocol.jobs import Accepted
    from ..submission import Prepared, Wishes


def add(commands: Commands) -> None:
    text = "Render on this machine, with a coordinator and slaves of its own, from start to gathered frames."
    parser = command(commands, "render", run_render, text)
    add_wishes(parser)
    parser.add_argument("--slaves", metavar="N", type=number(1, 256), default=1, help="(default: %(default)s)")
    parser.add_argument("--threads", metavar="N", type=number(1, 4096), help="of each slave (default: a fair share)")
    add_machine(parser)
    _add_output(parser, "where the frames go (default: NAME-frames, here)")
    add_json(parser, "print what happens as JSON lines")

    text = "Send a .blend and its files to a coordinator. Prints the job's id."
    parser = command(commands, "submit", run_submit, text)
    add_wishes(parser)
    add_coordinator(parser)
    parser.add_argument("--wait", action="store_true", help="until the job has ended")
    _add_output(parser, "where the frames go, as they are done (implies --wait)")
    parser.add_argument("--discard", action="store_true", help="keep no results: to try a scene, or to measure a farm")
    parser.add_argument("--again", action="store_true", help="render it again, even if an equal job is there")
    add_json(parser, "print JSON lines")

    text = "Bring a job's frames here: those that are done now, and the others when they are."
    parser = command(commands, "gather", run_gather, text)
    add_job(parser)
    add_frames(parser, "all frames of the job")
    add_coordinator(parser)
    _add_output(parser, "where the frames go", required=True)
    parser.add_argument("--no-wait", action="store_true", help="bring only what is done now")
    add_json(parser, "print what happens as JSON lines")


def _add_output(parser: argparse.ArgumentParser, text: str, *, required: bool = False) -> None:
    parser.add_argument("--output", metavar="DIR", type=Path, required=required, help=text)


def run_render(args: argparse.Namespace) -> int:
    from ..client import Client
    from ..client.downloads import check_writable
    from ..local import LocalFarm

    wanted = wishes(args)
    output = args.output or Path(f"{args.blend.stem}-frames")
    _require_blend(args.blend)
    check_writable(output)
    if wanted.results_to:
        check_writable(Path(wanted.results_to))
    signal.signal(signal.SIGTERM, _interrupt)  # or the temporary folder would stay
    # The farm first: it starts and warms up while the .blend is inspected.
    with LocalFarm(
        slaves=args.slaves,
        threads=args.threads,
        blender=args.blender,
        devices=args.device,
        allow_scripts=args.allow_scripts,
        shared=wanted.shared,
        results_to=wanted.results_to,
        launcher=args.launcher,
    ) as farm:
        prepared = _prepare(args.blend, wanted, json=args.json)
        with Client(farm.address()) as client, farm.explaining():
            accepted = _send(client, prepared, json=args.json)
            try:
                gathered = _watch(client, accepted.id, None, output, json=args.json, patience=0.0)
            except StorageError as error:  # the farm ends with us, and what it has rendered
                raise StorageError(f"{error.message}: name them with --frames when there is room") from error
        return _finish(gathered, output, json_lines=args.json)  # told before the farm has ended


def run_submit(args: argparse.Namespace) -> int:
    from ..client import Client
    from ..client.downloads import check_writable

    # A number that no earlier submission had makes another job of the same .blend.
    wanted = wishes(args, again=time.time_ns() // 10**6 if args.again else 0)
    if args.discard and args.output is not None:
        raise UsageError("--discard keeps no results, so there is nothing for --output; leave one of them out")
    if args.output is not None:
        check_writable(args.output)
    with Client(address(args)) as client:
        client.version()  # before Blender is started for nothing
        prepared = _prepare(args.blend, wanted, json=args.json)
        accepted = _send(client, prepared, json=args.json)
        if args.json:
            line = {"type": "submitted", "id": accepted.id, "new": accepted.new, "uploaded": len(accepted.missing)}
            print(json.dumps(line), flush=True)
        else:
            print(accepted.id, flush=True)
            _remark_on(accepted)
        if not args.wait and args.output is None:
            return 0
        return _watch_or_leave(client, accepted.id, None, args)


def run_gather(args: argparse.Namespace) -> int:
    from ..client import Client
    from ..protocol.frames import FrameRange

    frames = FrameRange.parse(args.frames) if args.frames else None
    with Client(address(args)) as client:
        job = client.job(args.job).id
        return _watch_or_leave(client, job, frames, args, wait=not args.no_wait)


# --- steps ---


def _require_blend(blend: Path) -> None:
    from .. import blendfile

    blendfile.check(blend)


def _prepare(blend: Path, wanted: "Wishes", *, json: bool) -> "Prepared":
    from ..submission import prepare
    from .output import say
    from .progress import looking_into

    with looking_into(blend, json=json):
        prepared = prepare(blend, wanted)
    for warning in prepared.warnings:
        say(f"warning: {warning}")
    return prepared


def _send(client: "Client", prepared: "Prepared", *, json: bool) -> "Accepted":
    from ..submission import send
    from .progress import uploading

    with uploading(json=json) as progress:
        return send(client, prepared, progress)


def _remark_on(accepted: "Accepted") -> None:
    from ..protocol.states import ENDED
    from .output import say

    if not accepted.new:
        ended = "; --again renders it once more" if accepted.state in ENDED else ""
        say(f"job {accepted.id} was there already ({accepted.state}){ended}")


def _watch(
    client: "Client",
    job: str,
    frames: "FrameRange | None",
    output: Path | None,
    *,
    json: bool,
    wait: bool = True,
    patience: float | None = None,
) -> "Gathered":
    from ..constants import WATCH_PATIENCE
    from ..gathering import gather
    from ..protocol.frames import FrameRange
    from .progress import watching

    shown = frames or FrameRange.parse(client.job(job).frames)
    with watching(shown, json=json) as watcher:
        return gather(
            client,
            job,
            frames,
            output,
            wait=wait,
            on_event=watcher,
            patience=WATCH_PATIENCE if patience is None else patience,
        )


def _watch_or_leave(
    client: "Client", job: str, frames: "FrameRange | None", args: argparse.Namespace, *, wait: bool = True
) -> int:
    """Watch to the end; when interrupted, say that the job goes on without us."""
    from .output import say

    try:
        gathered = _watch(client, job, frames, args.output, json=args.json, wait=wait)
    except KeyboardInterrupt:
        say(f"interrupted; job {job} goes on. {_later(job, args)}")
        return 130
    except StorageError as error:
        raise StorageError(f"{error.message}; the coordinator keeps job {job}. {_later(job, args)}") from error
    return _finish(gathered, args.output, json_lines=args.json, to_stderr=not hasattr(args, "no_wait"), waited=wait)


def _later(job: str, args: argparse.Namespace) -> str:
    where = "" if args.coordinator is None else f" --coordinator {args.coordinator}"
    where = " --discover" if args.discover else where
    return f"Gather it later with: netrender gather {job} --output {args.output or 'DIR'}{where}"


def _finish(
    gathered: "Gathered", output: Path | None, *, json_lines: bool, to_stderr: bool = False, waited: bool = True
) -> int:
    from .plain import plain
    from .summary import gathered_json, gathered_lines

    if json_lines:
        print(json.dumps(gathered_json(gathered, output)), flush=True)
    else:
        # `submit` prints its job's id alone on stdout.
        print(
            plain("\n".join(gathered_lines(gathered, output))), file=sys.stderr if to_stderr else sys.stdout, flush=True
        )
    if gathered.complete or (not waited and not gathered.failed):
        return 0
    return 1


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
