"""``netrender coordinator`` and ``netrender slave``: programs that run until they are stopped."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import COORDINATOR_VARIABLE, Address, data_folder
from ..constants import DEFAULT_HOST, DEFAULT_PORT, MAX_FRAMES_PER_JOB, THREAD_SWITCH
from ..errors import UsageError
from .arguments import (
    Commands,
    Parser,
    add_address,
    add_blender,
    add_cache_limit,
    add_discovery,
    add_farm,
    add_json,
    add_machine,
    command,
    number,
)

if TYPE_CHECKING:
    from ..server import Listening

logger = logging.getLogger(__name__)


def add(commands: Commands) -> None:
    text = "Keep jobs, files and results, and hand out work."
    parser = command(commands, "coordinator", run_coordinator, text, log_level=logging.INFO)
    parser.add_argument("--host", default=DEFAULT_HOST, help="the address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=number(0, 65535), default=DEFAULT_PORT, help="0 for any free one (default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"(default: {data_folder('coordinator')})")
    parser.add_argument(
        "--max-frames",
        type=number(1, 2**31),
        default=MAX_FRAMES_PER_JOB,
        metavar="N",
        help="that one job may have (default: %(default)s)",
    )
    add_cache_limit(parser, "files of jobs that are over")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a number of the scheduler; see docs/dispatch.md",
    )
    parser.add_argument("--no-announce", action="store_true", help="do not tell the local network, by mDNS")
    add_farm(parser, "the name under which it is found, where there are several")
    add_json(parser, "print where it listens as one line of JSON")
    _add_exit_with_stdin(parser)

    text = "Render for a coordinator: one slot, with one Blender that stays warm."
    parser = command(commands, "slave", run_slave, text, log_level=logging.INFO)
    add_address(parser, "the first that is found on the local network")
    add_discovery(parser)
    parser.add_argument("--name", help="(default: this machine's, and the number of the slot)")
    parser.add_argument("--threads", type=number(0, 4096), default=0, metavar="N", help="that render (default: all)")
    parser.add_argument("--tag", metavar="TAG", action="append", default=[], help="for jobs that ask for it (--tag)")
    add_blender(parser)
    add_machine(parser)
    parser.add_argument(
        "--unconfined",
        action="store_true",
        help="let Blender reach all that you can, if a driver does not work otherwise: only if you trust all who send "
        "jobs",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"(default: inside {data_folder('slave')})")
    parser.add_argument(
        "--path-map",
        metavar="FROM=TO",
        action="append",
        default=[],
        help="a folder on a shared drive, as clients name it and as it is here: jobs may use files in it in place",
    )
    parser.add_argument(
        "--results-folder",
        metavar="FROM=TO",
        action="append",
        default=[],
        help="a folder, as clients name it and as it is here: jobs may have their results written there too",
    )
    add_cache_limit(parser, "files of jobs that it does not render")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write when what began and ended, as JSON lines")
    _add_exit_with_stdin(parser)


def _add_exit_with_stdin(parser: Parser) -> None:
    # For whoever starts us as a child: when it dies, however it dies, our stdin ends.
    parser.add_argument("--exit-with-stdin", action="store_true", help=argparse.SUPPRESS)


def run_coordinator(args: argparse.Namespace) -> int:
    from ..scheduling.policy import policy
    from ..server import ServerOptions, serve

    # The event loop must get the interpreter back from the threads that write: by default it waits 5 ms each time.
    sys.setswitchinterval(THREAD_SWITCH)

    def on_ready(listening: "Listening") -> None:
        if args.json:
            line = {"url": listening.url, "pairing_line": listening.pairing_line, "pid": os.getpid()}
            print(json.dumps(line), flush=True)
            return
        print(f"The coordinator listens at {listening.url}", flush=True)
        if listening.pairing_line is not None:
            print(f"Other machines need this line: {listening.pairing_line}", flush=True)

    options = ServerOptions(
        data=args.data or data_folder("coordinator"),
        host=args.host,
        port=args.port,
        max_frames=args.max_frames,
        cache_limit=args.cache_limit,
        policy=policy(dict(_setting(text) for text in args.set)),
        announce=not args.no_announce,
        farm=args.farm,
        interface=args.interface,
    )
    return run_until_stopped(lambda: serve(options, on_ready), exit_with_stdin=args.exit_with_stdin)


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--set {text}: write NAME=VALUE, such as max_share=0.5")
    return name, value


def run_slave(args: argparse.Namespace) -> int:
    from .. import renderer
    from ..pathmaps import PathMap
    from ..slave import SlaveOptions, run

    path_maps = tuple(map(PathMap.parse, args.path_map))
    results_folders = tuple(map(PathMap.parse, args.results_folder))
    named = None
    if args.coordinator is not None:
        named = Address.parse(args.coordinator)
    elif os.environ.get(COORDINATOR_VARIABLE):
        named = Address.default()
    renderer.command(args.blender)  # raises if there is none, before it is looked for work

    async def main() -> None:
        where = named or await _found(args)
        options = SlaveOptions(
            url=where.url,
            token=where.token or None,
            name=args.name,
            threads=args.threads,
            blender=args.blender,
            devices=tuple(args.device),
            allow_scripts=args.allow_scripts,
            confine=not args.unconfined,
            tags=tuple(dict.fromkeys(args.tag)),
            data=args.data,
            path_maps=path_maps,
            results_folders=results_folders,
            trace=args.trace,
            cache_limit=args.cache_limit,
        )
        await run(options)

    return run_until_stopped(main, exit_with_stdin=args.exit_with_stdin)


async def _found(args: argparse.Namespace) -> Address:
    """The first coordinator that announces itself and can be used, however long it takes."""
    from .. import discovery

    logger.info("looking for a coordinator on the local network; name one with --coordinator")
    where = await discovery.find(farm=args.farm, key=args.key, interface=args.interface, on_skipped=logger.warning)
    logger.info("found a coordinator at %s", where.url)
    return where


def run_until_stopped(main: Callable[[], Coroutine[None, None, None]], *, exit_with_stdin: bool) -> int:
    """Run it until it ends, or until SIGTERM or the end of stdin (0), or SIGINT (130): all end it cleanly."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_supervise(main, exit_with_stdin))


async def _supervise(main: Callable[[], Coroutine[None, None, None]], exit_with_stdin: bool) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(main(), name="main")
    code = 0

    def stop(with_code: int) -> None:
        nonlocal code
        code = with_code
        task.cancel()

    try:
        loop.add_signal_handler(signal.SIGTERM, stop, 0)
        loop.add_signal_handler(signal.SIGINT, stop, 130)
    except NotImplementedError:  # Windows: Ctrl-C cancels what runs, and is a KeyboardInterrupt afterwards
        pass
    if exit_with_stdin:
        threading.Thread(target=_await_stdin, args=(loop, stop), name="stdin", daemon=True).start()
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
    return code


def _await_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[int], None]) -> None:
    # Not sys.stdin: a thread inside its buffer would stop the interpreter from ending.
    while os.read(0, 1024):
        pass
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop, 0)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
