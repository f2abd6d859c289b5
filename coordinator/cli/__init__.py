"""The command line: ``netrender COMMAND ...``. Blender's ``-c netrender`` takes the same arguments."""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Sequence

from .. import errors
from ..launcher import Launcher
from . import archiving, control, looking, rendering, services, steering
from .arguments import Parser, make_parser
from .plain import LogFormatter, plain

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def parser() -> Parser:
    """All commands and their arguments."""
    top, commands = make_parser()
    for module in (rendering, services, looking, steering, control, archiving):
        module.add(commands)
    return top


def main(argv: Sequence[str] | None = None, launcher: Launcher | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 finished with errors, 2 usage, 130 interrupted.

    ``launcher`` starts other commands as children, and knows the Blender that renders where none is named.
    """
    try:
        args = parser().parse_args(argv)
        args.launcher = launcher or Launcher.default()
        if getattr(args, "blender", "") is None:
            args.blender = args.launcher.blender
        _set_up_logging(args.verbose, args.log_level)
        code: int = args.run(args)
        sys.stdout.flush()  # here, where a reader that has gone can still be told apart
        return code
    except errors.NetrenderError as error:
        logging.getLogger(__name__).debug("%s", "".join(traceback.format_exception(error)))
        print(plain(f"netrender: error: {error.message}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("netrender: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_stdout()  # whoever read us (head, say) has enough
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"netrender: error: no space left on the disk{_named(error)}: make room, and try again", file=sys.stderr)
        _give_up_stdout()
        return errors.StorageError.exit_code


def _give_up_stdout() -> None:
    """Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _named(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""


def _set_up_logging(verbose: bool, level: int) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else level,
        stream=sys.stderr,
        force=True,
    )
    for handler in logging.getLogger().handlers:
        handler.setFormatter(LogFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    for noisy in ("urllib3", "asyncio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.INFO if verbose else logging.WARNING)
