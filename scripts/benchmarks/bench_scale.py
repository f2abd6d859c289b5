"""Two slaves of one thread each against one slave of one thread: the same job, from submission to the last frame.

The two renders of the demo's scene alone, without Netrender, side by side against one after the other, say what this
machine can give at best.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.process_farm import process_farm

from .tools import REFERENCE, ROOT, show, submitted, timed

FRAMES = 60


def at_best(blend: Path, folder: Path) -> float:
    """How many times faster two processes of one thread render halves of the job at once than one renders all."""

    def command(frames: str) -> list[str]:
        return [*REFERENCE, str(blend), str(folder), "--frames", frames, "--threads", "1"]

    one = timed(command(f"1-{FRAMES}"))
    begin = time.perf_counter()
    halves = [f"1-{FRAMES // 2}", f"{FRAMES // 2 + 1}-{FRAMES}"]
    processes = [
        subprocess.Popen(command(half), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for half in halves
    ]
    for process in processes:
        process.wait()
    return one / (time.perf_counter() - begin)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="netrender-bench-") as name:
        folder = Path(name)
        blend = folder / "demo.blend"
        make = [sys.executable, str(ROOT / "scripts" / "demo_scene.py"), str(blend)]
        timed([*make, "--frames", str(FRAMES), "--width", "240"])
        seconds = {}
        for slaves in (1, 2):
            with process_farm(folder / f"farm-{slaves}", [f"slave-{n}" for n in range(slaves)]) as farm:
                seconds[slaves] = submitted(farm.url, blend, folder / f"frames-{slaves}")
        best = at_best(blend, folder / "alone")
        show(
            f"scale: {FRAMES} frames of the demo, 240 pixels wide, slaves of one thread",
            ["", "seconds", "frames per minute", "times faster"],
            [
                [f"{slaves} slave{'s' * (slaves > 1)}", f"{s:.1f}", f"{FRAMES * 60 / s:.0f}", f"{seconds[1] / s:.2f}"]
                for slaves, s in seconds.items()
            ]
            + [["two processes without Netrender", "", "", f"{best:.2f}"]],
        )


if __name__ == "__main__":
    main()
