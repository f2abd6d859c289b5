"""The private farm of ``netrender render``: a coordinator and slaves as children, in a temporary folder."""

import contextlib
import json
import logging
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from . import launcher as launching
from .config import Address
from .constants import RENDERER_TAIL, STOP_GRACE
from .errors import NetrenderError, UnreachableError, cannot_write

logger = logging.getLogger(__name__)


class _Child:
    """One process, and the file that its log goes to."""

    def __init__(
        self, name: str, arguments: list[str], folder: Path, launcher: launching.Launcher, *, speaks: bool
    ) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self.process = launcher.start(
                arguments, stdout=subprocess.PIPE if speaks else subprocess.DEVNULL, stderr=log
            )

    def release(self) -> None:
        """Let its stdin end."""
        launching.release(self.process)

    def stop(self) -> None:
        """Wait until it has ended; terminate and kill it if it does not."""
        launching.stop(self.process, self.name)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def obituary(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-RENDERER_TAIL:]
        said = "; its last lines:\n" + "\n".join(lines) if lines else "; it printed nothing"
        return f"the {self.name} ended by itself with exit code {self.process.returncode}{said}"


class LocalFarm:
    """Starts when entered, without waiting; ``address`` waits. Leaving it stops every child and removes the folder."""

    def __init__(
        self,
        *,
        slaves: int,
        threads: int | None = None,
        blender: str | None = None,
        devices: Sequence[str] = (),
        allow_scripts: bool = False,
        shared: Sequence[str] = (),
        results_to: str = "",
        launcher: launching.Launcher | None = None,
    ) -> None:
        self._count = slaves
        self._threads = threads or max(1, cores() // slaves)
        self._options = ["--blender", blender] if blender else []
        for device in devices:
            self._options += ["--device", device]
        if allow_scripts:
            self._options.append("--allow-scripts")
        for folder in shared:  # on one machine it is called the same by all
            self._options += ["--path-map", f"{folder}={folder}"]
        if results_to:
            self._options += ["--results-folder", f"{results_to}={results_to}"]
        self._launcher = launcher or launching.Launcher.default()
        self._lock = threading.Lock()
        self._stopping = False
        self.children: list[_Child] = []
        self._watchers: list[threading.Thread] = []
        self._dead: list[_Child] = []
        self._address: Future[Address] = Future()

    def __enter__(self) -> Self:
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="netrender-"))
        except OSError as error:
            where = "the folder for temporary files, which TMPDIR names, cannot be written"
            raise cannot_write(where, error, "make room") from error
        self._starter = threading.Thread(target=self._start, name="farm")
        self._starter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def address(self) -> Address:
        """Where the coordinator listens; waits until it does. Raises NetrenderError if it does not come up."""
        return self._address.result()

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Where the coordinator cannot be reached because a child died, say that instead."""
        try:
            yield
        except UnreachableError as error:
            # The connection may break a moment before the process is gone.
            for watcher in self._watchers[:1]:
                watcher.join(STOP_GRACE)
            if self._dead:
                raise NetrenderError(self._dead[0].obituary()) from error
            raise

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            children = self.children[::-1]  # the coordinator last: slaves say goodbye to it
        for child in children[:-1]:
            child.release()
        for child in children:
            child.stop()
        self._starter.join()
        for watcher in self._watchers:
            watcher.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        try:
            arguments = ["--port", "0", "--no-announce", "--json", "--data", str(self.folder / "coordinator")]
            master = self._spawn("coordinator", ["coordinator", *arguments], speaks=True)
            if master is None:
                raise NetrenderError("interrupted")
            assert master.process.stdout is not None
            # A Blender that runs the coordinator prints its name first.
            line = next((line for line in master.process.stdout if line.startswith(b"{")), None)
            if line is None:
                master.process.wait()
                raise NetrenderError(master.obituary())
            address = Address(url=json.loads(line)["url"])
            for number in range(1, self._count + 1):
                self._spawn(f"slave local-{number}", self._slave(number, address))
            self._address.set_result(address)
        except OSError as error:
            self._address.set_exception(cannot_write("the farm does not start", error, "make room"))
        except BaseException as error:
            self._address.set_exception(error)

    def _slave(self, number: int, address: Address) -> list[str]:
        arguments = ["slave", "--coordinator", address.url, "--name", f"local-{number}"]
        arguments += ["--threads", str(self._threads), "--data", str(self.folder / f"slave-{number}")]
        return arguments + self._options

    def _spawn(self, name: str, arguments: list[str], *, speaks: bool = False) -> _Child | None:
        with self._lock:
            if self._stopping:
                return None
            child = _Child(name, arguments, self.folder, self._launcher, speaks=speaks)
            self.children.append(child)
            watcher = threading.Thread(target=self._watch, args=(child,), name=f"watch {name}")
            self._watchers.append(watcher)
            watcher.start()
            return child

    def _watch(self, child: _Child) -> None:
        child.process.wait()
        with self._lock:
            if self._stopping:
                return
            self._dead.append(child)
            coordinator = self.children[0]
            dead_slaves = sum(dead is not coordinator for dead in self._dead)
        logger.warning("%s", child.obituary())
        if child is not coordinator and dead_slaves == self._count:
            coordinator.release()  # nobody is left to render: whoever waits for frames learns it from the connection


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
