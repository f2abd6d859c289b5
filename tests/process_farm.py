"""A real farm of processes on 127.0.0.1: started, killed and started again. For acceptance tests and benchmarks."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from coordinator.client import Client
from coordinator.config import Address
from coordinator.protocol.messages import SlaveChanged

ROOT = Path(__file__).resolve().parent.parent
NETRENDER = [sys.executable, "-m", "coordinator"]


@define
class ProcessFarm:
    """The `netrender` commands as a person runs them, each a process of its own."""

    folder: Path
    blender: str | None = None  # None: the bpy package of this Python
    coordinator: subprocess.Popen[str] | None = None
    slaves: dict[str, subprocess.Popen[str]] = field(factory=dict)
    url: str = ""
    _started: dict[str, tuple[int, tuple[str, ...]]] = field(factory=dict)  # slaves' threads and options

    @property
    def client(self) -> Client:
        return Client(Address.parse(self.url))

    def start_coordinator(self) -> None:
        """On the port that it had before, if this is a restart."""
        port = self.url.rpartition(":")[2] or "0"
        data = ["--data", str(self.folder / "data")]
        self.coordinator = self._start("coordinator", "--port", port, *data, "--no-announce", "--json")
        assert self.coordinator.stdout is not None
        line = self.coordinator.stdout.readline()
        assert line, (self.folder / "coordinator.log").read_text()
        self.url = json.loads(line)["url"]

    def start_slave(self, name: str, threads: int = 1, *options: str) -> None:
        self._started[name] = threads, options
        arguments = ["--coordinator", self.url, "--name", name, "--threads", str(threads)]
        arguments += ["--data", str(self.folder / name), "--trace", str(self.trace(name))]
        if self.blender is not None:
            arguments += ["--blender", self.blender]
        self.slaves[name] = self._start("slave", *arguments, *options, log=name)

    def restart_slave(self, name: str) -> None:
        threads, options = self._started[name]
        self.start_slave(name, threads, *options)

    def trace(self, name: str) -> Path:
        return self.folder / f"{name}.trace"

    def spans(self) -> list[dict[str, Any]]:
        """What the slaves traced so far."""
        return [
            json.loads(line)
            for name in self.slaves
            for line in self.trace(name).read_text().splitlines()
            if line.endswith("}")  # a line may end where its process was killed
        ]

    def wait_for_slaves(self) -> None:
        """Until every slave that was started is connected, its renderer ready. None may have ended."""
        client = self.client
        events = client.events()
        while sum(slave.connected for slave in client.slaves()) < len(self.slaves):
            # The list was asked for after the stream began to be read or its last event, so nothing is missed.
            while not isinstance(next(events), SlaveChanged):  # nothing, after a while of silence
                ended = [name for name, process in self.slaves.items() if process.poll() is not None]
                assert not ended, f"{ended} have ended: " + (self.folder / f"{ended[0]}.log").read_text()[-4000:]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A `netrender` command of a client, from start to end."""
        done = subprocess.run([*NETRENDER, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
        assert not check or done.returncode == 0, f"netrender {arguments}: {done.returncode}\n{done.stderr}"
        return done

    def submit(self, blend: Path, *arguments: str) -> str:
        """The id of the job."""
        return self.run("submit", str(blend), "--coordinator", self.url, *arguments).stdout.strip()

    def gather(self, job: str, output: Path, *arguments: str) -> list[Path]:
        """Wait for the job's frames; the files, in order."""
        self.run("gather", job, "--coordinator", self.url, "--output", str(output), *arguments)
        return sorted(output.glob("*.exr"))

    def stop(self) -> None:
        for process in [*self.slaves.values(), self.coordinator]:
            if process is not None:
                _end(process)

    def _start(self, *arguments: str, log: str = "") -> subprocess.Popen[str]:
        with (self.folder / f"{log or arguments[0]}.log").open("a") as errors:
            return subprocess.Popen(
                # With us, however we end, they end: their stdin closes.
                [*NETRENDER, *arguments, "--exit-with-stdin", "--verbose"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
            )


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    process.wait(timeout=90)


def kill(process: subprocess.Popen[str]) -> None:
    """As a power cut would."""
    os.kill(process.pid, signal.SIGKILL)
    _end(process)


@contextmanager
def process_farm(
    folder: Path, slaves: Sequence[str] = (), threads: int = 1, blender: str | None = None
) -> Iterator[ProcessFarm]:
    """A coordinator, and slaves whose renderers are started."""
    folder.mkdir(parents=True, exist_ok=True)
    farm = ProcessFarm(folder, blender)
    try:
        farm.start_coordinator()
        for name in slaves:
            farm.start_slave(name, threads)
        farm.wait_for_slaves()
        yield farm
    finally:
        farm.stop()
