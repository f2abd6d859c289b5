"""What a script inside a .blend can reach. It runs in the renderer, so it uses the standard library alone.

``attempts`` tries one thing after the other and notes of each what came of it: "done", or the error.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ALLOWED = {
    "read the job's file",
    "read a mapped file",
    "write a temporary file",
    "make a folder for temporary files",
    "write to its results",
}


def attempts(there: dict[str, Any]) -> dict[str, str]:
    """``there`` names files, folders, sockets and a process of the test."""
    found: dict[str, str] = {}

    def attempt(name: str, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
        else:
            found[name] = "done"

    for name, path in there["read"].items():
        attempt(f"read {name}", Path(path).read_bytes)
    for name, path in there["list"].items():
        attempt(f"list {name}", partial(os.listdir, path))
    for name, folder in there["write"].items():
        mark = Path(folder, f"mark-{os.getpid()}-{threading.get_native_id()}")
        attempt(f"write to {name}", partial(mark.write_text, "was here"))
        attempt(f"make a folder in {name}", mark.with_suffix(".folder").mkdir)
        attempt(f"link into {name}", partial(mark.with_suffix(".link").symlink_to, "/"))
    for name, text in there["change"].items():
        path = Path(text)
        attempt(f"append to {name}", partial(_append, path))
        attempt(f"empty {name}", partial(os.truncate, path, 0))
        attempt(f"change the mode of {name}", partial(path.chmod, 0o777))
        attempt(f"change the time of {name}", partial(os.utime, path, (1, 1)))
        attempt(f"move {name}", partial(_move, path))
    for name, address in there["connect"].items():
        attempt(f"connect to {name}", partial(_connect, *address))
    attempt("signal the agent", lambda: os.kill(there["agent"], signal.SIGURG))
    limit = resource.getrlimit(resource.RLIMIT_CORE)
    attempt("limit the agent", lambda: resource.prlimit(there["agent"], resource.RLIMIT_CORE, limit))
    attempt("signal the agent's group", lambda: os.killpg(os.getpgid(there["agent"]), 0))
    agent = Path("/proc", str(there["agent"]))
    attempt("trace a process", _trace)
    attempt("read the agent's memory", lambda: os.close(os.open(agent / "mem", os.O_RDONLY)))
    attempt("read the agent's environment", (agent / "environ").read_bytes)
    attempt("list the agent's open files", lambda: list((agent / "fd").iterdir()))
    attempt("make a ring of system calls", lambda: _call(425, 1, ctypes.create_string_buffer(120)))
    attempt("make a socket that sends to anybody", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    attempt("read the job's file", lambda: Path(there["job"]).read_bytes())
    attempt("read a mapped file", lambda: Path(there["mapped"]).read_bytes())
    temp = Path(os.environ["TMPDIR"]) / f"{os.getpid()}-{threading.get_native_id()}"
    attempt("make a folder for temporary files", temp.mkdir)
    attempt("write a temporary file", lambda: (temp / "a").write_text("mine"))
    return found


def everywhere(there: dict[str, Any]) -> dict[str, dict[str, str]]:
    """From the thread that runs the script, from a new one, and from a process."""
    found = {"thread": attempts(there)}

    def other() -> None:
        found["new thread"] = attempts(there)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    command = [there["python"], "-S", "-c", there["source"] + f"\nprint(json.dumps(attempts({there!r})))"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found["process"] = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        found["process"] = {"start": f"{error} {getattr(error, 'stderr', '')}"}
    return found


def tell(what: str, found: Any) -> None:
    """A line in the log of the frame."""
    sys.stderr.write(f"reached:{json.dumps([what, found])}\n")
    sys.stderr.flush()


def _connect(family: str, kind: str, address: Any) -> None:
    with socket.socket(getattr(socket, family), getattr(socket, kind)) as made:
        where = tuple(address) if isinstance(address, list) else address.replace("@", "\0", 1)
        if kind == "SOCK_DGRAM":
            made.sendto(b"hello", where)
        else:
            made.settimeout(5)
            made.connect(where)


def _move(path: Path) -> None:
    path.rename(path.with_suffix(".moved")).rename(path)  # back, for the next who tries


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"!")


def _trace() -> None:
    """Look into a process that we do not trace: without confinement there is no such (ESRCH)."""
    with contextlib.suppress(ProcessLookupError):
        _call({"x86_64": 101, "aarch64": 117}[os.uname().machine], 1, os.getppid(), 0, 0)


def _call(number: int, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def threads() -> list[list[str]]:
    """Of each thread of this process, what the kernel says of its confinement."""
    wanted = ("NoNewPrivs", "Seccomp")
    return [
        [line for line in (thread / "status").read_text().splitlines() if line.partition(":")[0] in wanted]
        for thread in Path("/proc/self/task").iterdir()
    ]


def hook(there: dict[str, Any]) -> None:
    """What the text in the .blend runs when it is registered; then a thread of Cycles does while it renders."""
    import bpy  # here, as the rest runs in a process without it

    there["write"]["its results"] = sys.argv[sys.argv.index("--write") + 1] if "--write" in sys.argv else there["work"]
    for where, found in everywhere(there).items():
        tell(where, found)
    tell("threads", threads())
    main = threading.get_native_id()

    def rendering(*_: Any) -> None:
        if threading.get_native_id() != main:
            bpy.app.handlers.render_stats.remove(rendering)
            tell("thread that renders", attempts(there))

    bpy.app.handlers.render_stats.append(rendering)
