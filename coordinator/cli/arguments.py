"""Arguments that several commands share, and how they are checked."""

import argparse
import logging
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .. import __version__
from ..config import COORDINATOR_VARIABLE, KEY_VARIABLE, Address
from ..errors import UsageError
from ..protocol.paths import check_folder, is_absolute
from ..protocol.states import FrameOrder

if TYPE_CHECKING:
    from ..submission import Wishes

Run = Callable[[argparse.Namespace], int]
Commands = Any  # argparse's own class for this is private


class Parser(argparse.ArgumentParser):
    """One that raises our errors, so that a wrong argument reads like everything else that is wrong."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see '{self.prog} --help'")


def make_parser() -> tuple[Parser, Commands]:
    top = Parser(prog="netrender", description="Render with every computer in the room.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"netrender {__version__}")
    return top, top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)


def command(commands: Commands, name: str, run: Run, text: str, *, log_level: int = logging.WARNING) -> Parser:
    """A command; ``text`` is its help."""
    parser: Parser = commands.add_parser(
        name, help=text[0].lower() + text[1:].rstrip("."), description=text, allow_abbrev=False
    )
    parser.add_argument("--verbose", action="store_true", help="log what happens, to stderr")
    parser.set_defaults(run=run, log_level=log_level)
    return parser


def add_json(parser: Parser, what: str = "print JSON, for a program to read") -> None:
    parser.add_argument("--json", action="store_true", help=what)


def add_coordinator(parser: Parser) -> None:
    """Which coordinator a command talks to."""
    add_address(parser, "this machine's")
    parser.add_argument("--discover", action="store_true", help="find one on the local network instead")
    add_discovery(parser)


def add_address(parser: Parser, otherwise: str) -> None:
    parser.add_argument(
        "--coordinator",
        metavar="URL",
        help=f"HOST:PORT, or the pairing line that the coordinator prints (default: ${COORDINATOR_VARIABLE}, else "
        f"{otherwise})",
    )


def add_discovery(parser: Parser) -> None:
    """How a coordinator is found on the local network."""
    add_farm(parser, "look only for coordinators that were started with this name")
    parser.add_argument(
        "--key",
        default=os.environ.get(KEY_VARIABLE, ""),
        help=f"what follows the # in the pairing line, if the coordinator asks for it (default: ${KEY_VARIABLE})",
    )


def add_farm(parser: Parser, text: str) -> None:
    parser.add_argument("--farm", metavar="NAME", default="", help=text)
    parser.add_argument("--interface", metavar="NAME", help="the network interface, or its address (default: all)")


def address(args: argparse.Namespace) -> Address:
    """The coordinator that the user named, or wants to be found."""
    if not args.discover:
        return Address.default() if args.coordinator is None else Address.parse(args.coordinator)
    from ..discovery import find_now

    return find_now(farm=args.farm, key=args.key, interface=args.interface)


def add_job(parser: Parser) -> None:
    parser.add_argument("job", metavar="JOB", help="the job's id, or the beginning of it if no other begins so")


def add_frames(parser: Parser, default: str) -> None:
    parser.add_argument("--frames", metavar="RANGE", default="", help=f"such as 1-24,30,40-60x2 (default: {default})")


def add_blender(parser: Parser) -> None:
    parser.add_argument(
        "--blender",
        metavar="PATH",
        help="a Blender, or a Python with the bpy package (default: the bpy package of this Python)",
    )


def add_machine(parser: Parser) -> None:
    """What a slave renders with, whatever the scene."""
    parser.add_argument(
        "--device",
        metavar="NAME",
        action="append",
        default=[],
        help="that Cycles renders on: CPU, GPU, a kind such as CUDA, or a GPU's name or id; may be given again; "
        "the CPU if there is none such (default: as the scene and Blender's preferences say)",
    )
    parser.add_argument(
        "--allow-scripts",
        action="store_true",
        help="run the scripts inside a .blend: only if you trust all who send jobs",
    )


def add_cache_limit(parser: Parser, what: str) -> None:
    parser.add_argument(
        "--cache-limit",
        type=lambda text: number(0, 10**6)(text) * 10**9,
        metavar="GB",
        help=f"drop {what}, those used longest ago first, when all files take more (default: no limit)",
    )


def add_wishes(parser: Parser) -> None:
    """What is rendered of which .blend."""
    parser.add_argument("blend", metavar="SCENE.blend", type=Path)
    add_frames(parser, "the scene's own range")
    add_blender(parser)
    group = parser.add_argument_group("instead of what the .blend says")
    group.add_argument("--scene", metavar="NAME")
    group.add_argument("--view-layer", metavar="NAME", action="append", default=[], help="may be given several times")
    group.add_argument("--engine", metavar="NAME", help="such as CYCLES")
    group.add_argument("--samples", metavar="N", type=number(1, 2**24))
    group.add_argument("--percentage", metavar="N", type=number(1, 1000), help="of the resolution")
    group = parser.add_argument_group("the job")
    group.add_argument("--name", default="", help="(default: the .blend's)")
    group.add_argument("--chunk", metavar="N|auto", type=chunk, default=0, help="frames that a slave gets at once")
    group.add_argument("--priority", metavar="N", type=number(1, 10), default=1)
    group.add_argument(
        "--order",
        choices=[order.value for order in FrameOrder],
        default="sequence",
        help="spread: first, last, middle ..., to see errors and the look early (default: %(default)s)",
    )
    group.add_argument("--paused", action="store_true", help="render nothing until 'netrender resume'")
    group.add_argument(
        "--start", metavar="TIME", type=moment, default=0.0, help="not before: 22:30, or 2026-05-01T22:30"
    )
    group.add_argument("--after", metavar="JOB", action="append", default=[], help="not before all of it is done")
    group.add_argument(
        "--attempts", metavar="N", type=number(1, 100), default=0, help="slaves on which a frame may fail"
    )
    group.add_argument(
        "--stall",
        metavar="S",
        type=number(1, 10**6),
        default=0,
        help="seconds of silence that end a renderer (default: adapts)",
    )
    group = parser.add_argument_group("which slaves")
    group.add_argument("--tag", metavar="TAG", action="append", default=[], help="only those that were started with it")
    group.add_argument("--gpu", action="store_true", help="only those that have one")
    group.add_argument("--memory", metavar="GB", type=number(1, 10**5), default=0, help="that a frame may need")
    group.add_argument("--only-slave", metavar="NAME", action="append", default=[])
    group.add_argument("--never-slave", metavar="NAME", action="append", default=[])
    group.add_argument("--max-slaves", metavar="N", type=number(1, 10**6), default=0, help="at once")
    group.add_argument("--allow-missing", action="store_true", help="render even if files are missing")
    group.add_argument(
        "--shared",
        metavar="DIR",
        action="append",
        default=[],
        help="a folder that the slaves reach too, by --path-map: its files are used in place and not sent",
    )
    group.add_argument(
        "--results-to",
        metavar="DIR",
        default="",
        help="a folder that the slaves reach too, by --results-folder: they also write each result there",
    )


def wishes(args: argparse.Namespace, again: int = 0) -> "Wishes":
    from ..submission import Wishes, parse_frames

    return Wishes(
        frames=str(parse_frames(args.frames)) if args.frames else "",
        scene=args.scene,
        view_layers=_unique(args.view_layer),
        engine=args.engine,
        samples=args.samples,
        percentage=args.percentage,
        chunk=args.chunk,
        priority=args.priority,
        order=FrameOrder(args.order),
        tags=_unique(args.tag),
        gpu=args.gpu,
        memory=args.memory * 10**9,
        only_slaves=_unique(args.only_slave),
        never_slaves=_unique(args.never_slave),
        max_slaves=args.max_slaves,
        after=_unique(args.after),
        paused=args.paused,
        start=args.start,
        attempts=args.attempts,
        stall=float(args.stall),
        discard=getattr(args, "discard", False),
        name=args.name,
        again=again,
        allow_missing=args.allow_missing,
        shared=tuple(map(_absolute, args.shared)),
        results_to=check_folder(_absolute(args.results_to)) if args.results_to else "",
        blender=args.blender,
    )


def _unique(words: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def moment(text: str) -> float:
    """An argparse type: a local time of day (the next one), or a date and time; in seconds since the epoch."""
    try:
        if "T" in text or " " in text:
            return datetime.fromisoformat(text).timestamp()
        hour, _, minute = text.partition(":")
        now = datetime.now()
        then = now.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 22:30, or 2026-05-01T22:30") from None
    return (then if then > now else then + timedelta(days=1)).timestamp()


def _absolute(folder: str) -> str:
    """A path of another system than this stays what it is: the slaves may be there. Links stay links."""
    if os.name == "posix" and is_absolute(folder) and not folder.startswith("/"):
        return folder
    return os.path.abspath(folder)  # noqa: PTH100


def number(least: int, most: int) -> Callable[[str], int]:
    """An argparse type: a whole number between these two."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
        return value

    return parse


def chunk(text: str) -> int:
    """An argparse type: frames, 0 for automatic."""
    return 0 if text == "auto" else number(1, 10_000)(text)
