"""How soon a frame starts: after its submission to an idle farm, and elsewhere after a `kill -9` of its slave.

Real slaves and Blenders that are warm and have the scene open; told by the event stream of the coordinator.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from attrs import evolve

from coordinator.client import Client
from coordinator.errors import UnreachableError
from coordinator.protocol.jobs import Manifest
from coordinator.protocol.messages import Event, FrameStarted, JobChanged
from coordinator.protocol.states import ENDED
from tests.process_farm import ProcessFarm, process_farm

from .tools import ROOT, show, timed

Told = tuple[float, Event]


def told(client: Client) -> "SimpleQueue[Told]":
    """Events and when they came, read by a thread of its own."""
    queue: SimpleQueue[Told] = SimpleQueue()

    def read(events: Iterator[Event | None]) -> None:
        with suppress(UnreachableError):  # the client was closed
            for event in events:
                if event is not None:
                    queue.put((time.perf_counter(), event))

    Thread(target=read, args=(client.events(),), daemon=True).start()
    return queue


def started(queue: "SimpleQueue[Told]", job: str, slave: str | None = None) -> tuple[float, FrameStarted]:
    while True:
        when, event = queue.get()
        if isinstance(event, FrameStarted) and event.job == job and slave in (None, event.slave):
            return when, event


def ended(queue: "SimpleQueue[Told]", job: str) -> None:
    while True:
        _, event = queue.get()
        if isinstance(event, JobChanged) and event.job.id == job and event.job.state in ENDED:
            return


def submissions(client: Client, queue: "SimpleQueue[Told]", manifest: Manifest, times: int) -> list[float]:
    """Seconds from the announcement to the first frame's start, of so many jobs, one after the other."""
    found = []
    for number in range(times):
        job = evolve(manifest, frames="1", again=1000 + number)
        begin = time.perf_counter()
        client.announce(job)
        when, _ = started(queue, job.id)
        found.append(when - begin)
        ended(queue, job.id)
    return found


def kills(farm: ProcessFarm, client: Client, queue: "SimpleQueue[Told]", manifest: Manifest, times: int) -> list[float]:
    """Seconds from the kill of a slave to the start of one of its frames on the other, which is idle and warm."""
    found = []
    for number in range(times):
        # Both have the scene open; then one has a job that only one slave may have.
        client.announce(warm := evolve(manifest, frames="1-8", chunk=1, again=2000 + number))
        ended(queue, warm.id)
        client.announce(job := evolve(manifest, frames="1-40", chunk=20, max_slaves=1, again=3000 + number))
        _, event = started(queue, job.id)
        [other] = set(farm.slaves) - {event.slave}
        begin = time.perf_counter()
        os.kill(farm.slaves[event.slave].pid, signal.SIGKILL)
        when, _ = started(queue, job.id, other)
        found.append(when - begin)
        client.command(job.id, "cancel")
        farm.slaves[event.slave].wait()
        farm.restart_slave(event.slave)
        farm.wait_for_slaves()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    times = 3 if parser.parse_args().quick else 20
    with tempfile.TemporaryDirectory(prefix="netrender-bench-") as name:
        folder = Path(name)
        blend = folder / "demo.blend"
        timed([sys.executable, str(ROOT / "scripts" / "demo_scene.py"), str(blend), "--frames", "40", "--width", "64"])
        with process_farm(folder / "farm", ["slave-1"]) as farm, farm.client as client:
            job = farm.submit(blend, "--wait")
            manifest = client.manifest(job)
            queue = told(client)
            submitted = submissions(client, queue, manifest, times)
            farm.start_slave("slave-2")
            farm.wait_for_slaves()
            killed = kills(farm, client, queue, manifest, max(times // 4, 1))
        rows = [
            [what, str(len(found)), f"{statistics.median(found) * 1000:.0f}", f"{max(found) * 1000:.0f}", target]
            for what, found, target in (
                ("submission to the first frame's start", submitted, "100, median of 20"),
                ("kill -9 to its frames' start elsewhere", killed, "1000"),
            )
        ]
        show("latency, milliseconds", ["", "times", "median", "worst", "to reach"], rows)


if __name__ == "__main__":
    main()
