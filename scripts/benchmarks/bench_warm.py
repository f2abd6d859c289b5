"""One slave against a Blender process per frame, and against one local `render(animation=True)`.

40 frames of 256x144 at 4 samples of a scene with a million vertices, as a plain script renders them with persistent
data, from submission to the last gathered frame. "Started": the renderer has Blender loaded, and so has the local one,
before the clock starts.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.process_farm import process_farm

from .tools import REFERENCE, ROOT, rendered, show, submitted, timed

FRAMES = 40


def local_started(blend: Path, output: Path) -> float:
    """Seconds of the local render alone, Blender being loaded before: it says when it begins."""
    command = [*REFERENCE, str(blend), str(output), "--frames", f"1-{FRAMES}", "--persistent", "--wait-for-line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None and process.stdout is not None
        while process.stdout.readline().strip() != b"loaded":
            pass
        begin = time.perf_counter()
        process.stdin.write(b"go\n")
        process.stdin.close()
        process.stdout.read()
        process.wait()
        return time.perf_counter() - begin


def per_frame(blend: Path, output: Path) -> float:
    return sum(timed([*REFERENCE, str(blend), str(output), "--frames", str(frame)]) for frame in range(1, FRAMES + 1))


def one_round(blend: Path, folder: Path) -> tuple[float, float, float, float]:
    """Seconds of a local render and of ours: both with Blender loaded before, and both from nothing."""
    folder.mkdir()
    local_warm = local_started(blend, folder / "local-started")
    with process_farm(folder / "farm", ["slave-1"], threads=0) as farm:
        ours_warm = submitted(farm.url, blend, folder / "ours-started")
    local = timed([*REFERENCE, str(blend), str(folder / "local"), "--frames", f"1-{FRAMES}", "--persistent"])
    ours = rendered(blend, folder / "ours")
    return local_warm, ours_warm, local, ours


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1, help="means of so many; the process a frame is measured once")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="netrender-bench-") as name:
        folder = Path(name)
        blend = folder / "heavy.blend"
        timed([sys.executable, str(ROOT / "tests" / "scenes.py"), "heavy", str(blend), "--frames", str(FRAMES)])
        print(f"scene: {blend.stat().st_size / 1e6:.0f} MB", flush=True)
        taken = [one_round(blend, folder / str(number)) for number in range(rounds)]
        local_warm, ours_warm, local, ours = (statistics.fmean(some) for some in zip(*taken, strict=True))
        separate = per_frame(blend, folder / "separate")
        rows = [
            ("one slave, renderer started", ours_warm, local_warm),
            ("one slave, its start counted", ours, local),
        ]
        show(
            f"warm: {FRAMES} frames of 256x144, 4 samples, a million vertices",
            ["", "seconds", "one local animation", "ratio to it", "a process a frame", "times faster"],
            [
                [
                    label,
                    f"{mine:.1f}",
                    f"{theirs:.1f}",
                    f"{mine / theirs:.2f}",
                    f"{separate:.1f}",
                    f"{separate / mine:.1f}",
                ]
                for label, mine, theirs in rows
            ],
        )


if __name__ == "__main__":
    main()
