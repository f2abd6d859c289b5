"""Dispatch-and-done cycles per second of the real coordinator over loopback, with simulated slaves.

A cycle: the coordinator gives a chunk of one frame to a slave, which says that it began it and that it is done; all
of it is durable in SQLite before the next chunk is sent. With results, the slave also delivers one of 1 KiB over HTTP.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from attrs import frozen

from coordinator.client import Client
from coordinator.config import Address
from coordinator.protocol.jobs import File, Manifest, RenderSettings
from tests.submissions import BLEND, sha256

from .tools import NETRENDER, ROOT, show

FOLLOWING = 100  # jobs of 1,000 frames: more than can be rendered while one size is measured
TARGETS = {False: 5000, True: 1500}  # cycles/s without and with results


@frozen(kw_only=True)
class Size:
    frames: int = 100_000
    jobs: int = 1
    slaves: int = 200
    results: bool = False
    pause: float = 0.0  # seconds that a frame renders


@contextmanager
def coordinator(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    command = [*NETRENDER, "coordinator", "--port", "0", "--data", str(folder), "--no-announce", "--json"]
    command += ["--max-frames", "2000000"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            line = json.loads(process.stdout.readline())
            yield line["url"], psutil.Process(process.pid)
        finally:
            process.terminate()


def submit(url: str, folder: Path, size: Size) -> None:
    blend = folder / "scene.blend"
    blend.write_bytes(BLEND)
    with Client(Address.parse(url)) as client:
        # A queue of 1,000 frames would be empty within a second. So more such jobs follow in two rows, each job after
        # the one before it in its row; the rows are half a job apart, and the queue always has 1,000 to 1,500 frames.
        short = size.frames == 1_000
        rows: list[tuple[str, ...]] = [(), ()]
        for number in range(FOLLOWING if short else size.jobs):
            frames = 500 if short and number == 0 else size.frames // size.jobs
            manifest = Manifest(
                name=f"job {number}",
                blend="scene.blend",
                files=(File(path="scene.blend", sha256=sha256(BLEND), size=len(BLEND)),),
                frames=f"1-{frames}",
                render=RenderSettings(scene="Scene", engine="CYCLES"),
                blender="4.2",
                chunk=1,
                discard=not size.results,
                after=rows[number % 2] if short else (),
            )
            rows[number % 2] = (manifest.id,)
            accepted = client.announce(manifest)
            if accepted.missing:
                client.upload(blend, sha256(BLEND))


def measure(folder: Path, size: Size, seconds: float) -> dict[str, float]:
    """Cycles per second, p50 and p99 in milliseconds, bytes a queued frame, and CPU of both sides."""
    with coordinator(folder / "data") as (url, process):
        before, stored = process.memory_info().rss, _stored(folder / "data")
        submit(url, folder, size)
        grown = process.memory_info().rss - before + _stored(folder / "data") - stored
        command = [sys.executable, "-m", "scripts.benchmarks.load", url, "--slaves", str(size.slaves)]
        command += ["--seconds", str(seconds), "--pause", str(size.pause)] + ["--results"] * size.results
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
            assert load.stdin is not None and load.stdout is not None
            assert load.stdout.readline() == "ready\n"
            times = process.cpu_times()
            load.stdin.write("go\n")
            load.stdin.flush()
            measured: dict[str, float] = json.loads(load.stdout.readline())
            after = process.cpu_times()
            measured["cpu"] = (after.user + after.system - times.user - times.system) / seconds
        return measured | {"bytes": grown / size.frames}


def _stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("netrender.sqlite*"))


def idle_cpu(folder: Path, slaves: int, seconds: float) -> float:
    """The part of a core that the coordinator takes while connected slaves have nothing to do."""
    with coordinator(folder / "data") as (url, process):
        command = [sys.executable, "-m", "scripts.benchmarks.load", url, "--slaves", str(slaves)]
        with subprocess.Popen(
            [*command, "--seconds", str(seconds)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as load:
            assert load.stdin is not None and load.stdout is not None
            assert load.stdout.readline() == "ready\n"
            time.sleep(2)  # the joins settle
            times = process.cpu_times()
            load.stdin.write("go\n")
            load.stdin.flush()
            load.stdout.readline()
            after = process.cpu_times()
    return (after.user + after.system - times.user - times.system) / seconds


def sizes(quick: bool) -> list[Size]:
    """Everything around one size, changed one at a time."""
    found = [Size()]
    if not quick:
        found += [Size(frames=frames) for frames in (1_000, 1_000_000)]
        found += [Size(jobs=jobs) for jobs in (100, 1_000)]
        found += [Size(slaves=slaves) for slaves in (16, 1_000)]
        found += [Size(frames=1_000_000, jobs=1_000, slaves=1_000)]
    found += [Size(results=True)]
    if not quick:
        found += [Size(results=True, frames=1_000_000), Size(results=True, jobs=1_000), Size(results=True, slaves=16)]
        found += [Size(results=True, slaves=1_000)]
        found += [Size(pause=0.1), Size(pause=0.2, results=True)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one size each, a second each")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument(
        "--rounds", type=int, default=1, help="of each size the better, where others use the machine too"
    )
    args = parser.parse_args()
    # All of it goes at the end: a disk that is told of deleted files has no time for others.
    with tempfile.TemporaryDirectory(prefix="netrender-bench-") as folder:
        report(Path(folder), quick=args.quick, rounds=args.rounds, seconds=1.0 if args.quick else args.seconds)


def best(folder: Path, some: list[Size], seconds: float, rounds: int) -> Iterator[tuple[Size, dict[str, float]]]:
    """Each size, and of what its rounds gave the one with most cycles. All sizes have their turn in each round."""
    found: dict[Size, list[dict[str, float]]] = {size: [] for size in some}
    for turn in range(rounds):
        for number, size in enumerate(some):
            (each := folder / f"{turn}-{number}").mkdir()
            found[size].append(measure(each, size, seconds))
            if turn == rounds - 1:
                yield size, max(found[size], key=lambda got: got["cycles"])


def report(folder: Path, *, quick: bool, rounds: int, seconds: float) -> None:
    rows: list[list[str]] = []
    rates: dict[bool, list[float]] = {False: [], True: []}
    per_frame = 0.0
    for size, got in best(folder, sizes(quick), seconds, rounds):
        if not size.pause:
            rates[size.results].append(got["cycles"])
        if size.frames == 1_000_000 and size.jobs == 1 and not size.results:
            per_frame = got["bytes"]
        rows.append(
            [
                f"{size.frames:,}",
                f"{size.jobs:,}",
                f"{size.slaves:,}",
                "1 KiB" if size.results else "",
                f"{size.pause:g} s" if size.pause else "",
                f"{got['cycles']:,.0f}",
                "" if size.pause else f"{got['cycles'] / TARGETS[size.results]:.2f}",
                f"{got['p50']:.1f}",
                f"{got['p99']:.1f}",
                f"{got['cpu']:.0%}",
            ]
        )
        print(" ".join(rows[-1]), flush=True)
    columns = [
        "frames queued",
        "jobs",
        "slaves",
        "results",
        "render",
        "cycles/s",
        "of target",
        "p50 ms",
        "p99 ms",
        "CPU",
    ]
    show("dispatch and done, chunks of one frame", columns, rows)
    for results, found in rates.items():
        if len(found) > 1:
            print(f"{'with' if results else 'without'} results: slowest {min(found) / max(found):.2f} of the fastest")
    if per_frame:
        print(f"memory and database: {per_frame:.1f} bytes a queued frame")
    if not quick:
        print(f"idle, 1,000 slaves connected: {idle_cpu(folder / 'idle', 1_000, 20.0):.1%} of a core")


if __name__ == "__main__":
    main()
