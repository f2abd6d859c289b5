"""The renderer gives up what rendering does not need, before it opens a file that somebody else made.

From then on it reads the job's files, the folders that the slave's owner mapped, and what Blender itself needs; it
writes its results and its temporary files; it connects to nothing. So what a .blend can reach is little, whatever a
fault in Blender, or a script that the owner allowed, does with it. docs/adr/0015-the-renderer-confines-itself.md
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import capabilities, landlock, needed, seccomp

FILES, NETWORK, PROCESSES = "files", "network", "processes"
AGAIN = "--confined"  # the argument of a Blender that was started again by one that has confined itself

# Where Blender and the drivers of GPUs keep what they computed: it must not come from one job's renderer to another's.
_CACHES = (
    "XDG_CACHE_HOME",
    "MESA_SHADER_CACHE_DIR",
    "CUDA_CACHE_PATH",
    "OPTIX_CACHE_PATH",
    "NEO_CACHE_DIR",
    "SYCL_CACHE_DIR",
    "AMD_COMGR_CACHE_DIR",
)


@dataclass(frozen=True)
class Confinement:
    """What is held, as far as it was seen to be; and why not all is, for a person."""

    holds: tuple[str, ...] = ()  # of FILES, NETWORK, PROCESSES
    why: str = ""


NONE = Confinement()


def enforce(
    tree: str | None, readable: Iterable[str] = (), writable: Iterable[str] = (), cache: str | None = None
) -> None:
    """Confine this process, as far as this system can. May start this program again, and not return.

    What is held is this thread, and those that it starts from then on. A Blender that runs our script has others
    already, so it is started again by the one that is held. Raises OSError if that fails.
    ``tree`` has, or will have, the job's files; ``cache`` is for what is computed and may be used by another renderer
    of the same job.
    """
    if sys.platform != "linux":
        return
    temp = os.environ["TMPDIR"]
    cache = cache or temp
    _keep_bytecode()
    os.environ.update(dict.fromkeys(_CACHES, cache))
    if "bpy" not in sys.modules:  # it reads no user's files by itself, and must not write any
        os.environ["BLENDER_USER_RESOURCES"] = str(Path(temp, "user"))
    alone = _threads() == 1
    # Blender opens some files for writing that it only reads: bakes of Geometry Nodes. It may, as long as the mode of a
    # file, which it cannot change then, decides what it can write.
    harmless = _attempt("giving up what root may do", capabilities.drop)
    filtered = _attempt("the filter of system calls", seccomp.install)
    rules: list[tuple[int, Iterable[str | Path]]] = [
        (landlock.READ, [*needed.to_read(), *readable]),
        (landlock.READ | (landlock.WRITE_FILE if harmless and filtered else 0), [tree] if tree else []),
        (landlock.USE, [*needed.devices()]),
        (landlock.RESULTS, writable),
        (landlock.SCRATCH, [temp, cache]),
        (landlock.READ | landlock.WRITE_FILE, ["/proc/self"]),  # CUDA does not start if it cannot name its threads
    ]
    held = _attempt("Landlock", lambda: _hold_files(rules))
    if alone:
        _close_what_came_with_us()
    elif held or filtered:
        _start_again()


def check() -> Confinement:
    """See what is held now, in all threads that there are."""
    if sys.platform != "linux":
        return Confinement(why="only on Linux can a renderer confine itself")
    # Landlock itself does not say whom it holds; both of these are given on to threads as it is.
    status = [(thread / "status").read_text() for thread in Path("/proc/self/task").iterdir()]
    held = {
        FILES: all("NoNewPrivs:\t1\n" in each for each in status) and _refused(lambda: next(Path("/").iterdir())),
        NETWORK: all("Seccomp:\t2\n" in each for each in status) and _refused(lambda: socket.socket().close()),
        PROCESSES: _refused(lambda: os.kill(os.getppid() or 1, 0)),
    }
    if not held[FILES]:  # what is refused is refused for another reason
        held[PROCESSES] = False
    return Confinement(tuple(name for name in held if held[name]), _why_not(held))


def _hold_files(rules: Iterable[tuple[int, Iterable[str | Path]]]) -> None:
    made = landlock.Ruleset()
    for access, paths in rules:
        for path in paths:
            made.allow(path, access)
    made.enforce()


def _why_not(held: Mapping[str, bool]) -> str:
    if not held[FILES]:
        try:
            found = landlock.version()
        except OSError as error:
            return f"this kernel has no Landlock ({error.strerror}); Linux has it from 5.13 on, if it is switched on"
        return f"Landlock (version {found}) does not hold it; is the folder / mapped?"
    if not held[NETWORK]:
        return "this system takes no filter of system calls, so it may connect to others"
    if not held[PROCESSES]:
        return "it may signal other processes of the same user; Linux 6.12 or later refuses that"
    return ""


def _attempt(name: str, hold: Callable[[], None]) -> bool:
    try:
        hold()
    except OSError as error:
        print(f"netrender: {name} does not work here: {error.strerror}", file=sys.stderr)
        return False
    return True


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM)
    return False


def _keep_bytecode() -> None:
    """Compile our own modules where that was not done yet: later there is no writing beside them."""
    if sys.dont_write_bytecode:
        return
    here = Path(__file__).parent
    for source in (*here.glob("*.py"), here.parent / "compat.py"):
        with contextlib.suppress(OSError):  # nothing may be written here, so it is compiled at each start
            compiled = Path(importlib.util.cache_from_source(str(source)))
            if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
                py_compile = importlib.import_module("py_compile")  # here, as it is hardly ever needed
                py_compile.compile(str(source), quiet=2)


def _open_to_children() -> Iterator[int]:
    """Descriptors, but for the three pipes, that a program would get which is started; what Python opens is not."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):  # it was that of this list
            if (number := int(entry.name)) > 2 and os.get_inheritable(number):
                yield number


def _close_what_came_with_us() -> None:
    """What was opened before is not held."""
    for number in _open_to_children():
        os.close(number)


def _threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _start_again() -> None:
    for number in _open_to_children():
        os.set_inheritable(number, False)
    arguments = Path("/proc/self/cmdline").read_bytes().split(b"\0")[:-1]
    os.execv(Path("/proc/self/exe").readlink(), [*arguments, AGAIN.encode()])
