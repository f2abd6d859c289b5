"""A coordinator or a slave as a child of this Blender, from the extension's own files and bundled wheels.

It is a plain Python that runs ``headless.py``: Blender's own, which every Blender has, without Blender around it.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from . import farm

HEADLESS = Path(__file__).with_name("headless.py")


OnLine = Callable[[str], None]


def launcher() -> farm.launcher.Launcher:
    """How ``netrender`` is started from here, and the Blender that renders by default: this one."""
    bpy = sys.modules.get("bpy")  # not imported for this: a plain Python may run us, where that takes its time
    binary = bpy.app.binary_path if bpy is not None else ""  # empty in the bpy package
    python = Path(sys.executable)
    if python.name.lower().startswith("python") and python.is_file():  # some distributions leave it out
        command: tuple[str, ...] = (sys.executable, str(HEADLESS))
    else:
        # A Blender that was built without a Python program. The user's add-ons are none of the child's business.
        command = (binary, "-b", "--factory-startup", "--python-use-system-env", "-P", str(HEADLESS), "--")
    return farm.launcher.Launcher(command=command, path=_wheels(), blender=binary or None)


def _wheels() -> tuple[str, ...]:
    """Where Blender has installed the packages of the extension: a plain Python does not know that folder."""
    spec = importlib.util.find_spec("aiohttp")
    folder = Path(spec.origin).parents[1] if spec is not None and spec.origin is not None else None
    # Of an extension that is not installed, headless.py finds the wheels by itself.
    return (str(folder),) if folder is not None and folder.is_dir() else ()


class Child:
    """A coordinator or a slave that runs until it is stopped, or ends by itself.

    ``on_log`` gets each line of its log, ``on_end`` how it ended if nobody stopped it: both on a thread of ours.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        on_log: OnLine = lambda line: None,
        on_end: OnLine = lambda text: None,
    ) -> None:
        self.name = name
        self._on_log = on_log
        self._on_end = on_end
        self._stopping = False
        self._tail: deque[str] = deque(maxlen=farm.constants.RENDERER_TAIL)
        self.said: Future[dict[str, Any]] = Future()  # the line of JSON with which it says where it is
        self._process = launcher().start(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, environment=environment
        )
        _running.add(self)
        self._threads = [
            threading.Thread(target=target, name=f"{name} {target.__name__}", daemon=True)
            for target in (self._read_output, self._read_log)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def release(self) -> None:
        """Ask it to end, without waiting."""
        self._stopping = True
        farm.launcher.release(self._process)

    def stop(self) -> None:
        """End it: it says goodbye to others first; what does not end is killed. Waits for all of that."""
        self._stopping = True
        farm.launcher.stop(self._process, self.name)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                if line.startswith(b"{") and not self.said.done():  # a Blender prints its name first
                    self.said.set_result(json.loads(line))

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as log:
            for line in log:
                text = line.decode(errors="replace").rstrip()
                self._tail.append(text)
                self._on_log(text)
        self._process.wait()
        farm.launcher.release(self._process)
        self._threads[0].join()
        _running.discard(self)
        if not self.said.done():
            self.said.set_exception(farm.errors.NetrenderError(self._death()))
        if not self._stopping:
            self._on_end(self._death())

    def _death(self) -> str:
        said = "; its last lines:\n" + "\n".join(self._tail) if self._tail else "; it printed nothing"
        return f"the {self.name} ended with exit code {self._process.returncode}{said}"


_running: set[Child] = set()


def coordinator(arguments: Sequence[str] = (), **callbacks: Any) -> Child:
    """Start one; ``said`` has its ``url`` and, where other machines need it, its ``pairing_line``."""
    return Child("coordinator", ["coordinator", "--json", *arguments], **callbacks)


def slave(arguments: Sequence[str] = (), *, address: str = "", key: str = "", **callbacks: Any) -> Child:
    """Start one that renders with this Blender.

    ``address`` is what a user may type, or a pairing line; empty to find a coordinator on the local network, which may
    ask for the ``key``.
    """
    blender = launcher().blender
    known = {farm.config.COORDINATOR_VARIABLE: address, farm.config.KEY_VARIABLE: key}
    return Child(
        "slave",
        ["slave", *(["--blender", blender] if blender else []), *arguments],
        environment={name: value for name, value in known.items() if value},
        **callbacks,
    )


def unregister() -> None:
    """End what still runs, all at once."""
    children = list(_running)
    for child in children:
        child.release()
    for child in children:
        child.stop()
