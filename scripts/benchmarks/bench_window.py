"""How long the extension keeps Blender's main thread, in a real window, while a job of 200 frames gathers.

    NETRENDER_BLENDER=PATH_TO_BLENDER scripts/bench window

Two slaves render 200 small frames; a Blender with a window, on a virtual screen, sends the job, brings the frames back
and writes them, with all its panels open. Measured is the time inside everything of the extension that Blender calls on
its main thread: its timer, drawing, operators. Not counted is what Blender itself does in between, and what runs on
other threads. The start of a render, which the timer asks Blender for whenever frames in a row are there, has a row of
its own: what it costs is the scene's, as with F12. "Longest" is by the clock, so other programs on the machine count;
the processor's time says what would be left without them.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from scripts.lib import build_extension
from tests.addon.blenders import PROGRAM, Blender
from tests.process_farm import process_farm
from tests.window.blender_window import BlenderWindow, blender_window
from tests.window.screen import virtual_screen

from .tools import ROOT, show
from .window_probe import BEGIN, Call

FRAMES = 200
LIMIT = 20  # milliseconds
PACKAGE = "bl_ext.user_default.netrender"
SESSION = f"sys.modules['{PACKAGE}.session']"
PROBE = "sys.modules['scripts.benchmarks.window_probe']"
PRESSED = "operator animation invoke"

SCENE = f"""
import runpy
sys.argv = ["demo_scene.py", arguments[0], "--frames", "{FRAMES}", "--width", "320", "--samples", "1"]
runpy.run_path({str(ROOT / "scripts" / "demo_scene.py")!r})["main"]()
scene = bpy.context.scene
scene.render.filepath = arguments[1]
bpy.ops.wm.save_mainfile()
"""
PREPARE = (
    f"(sys.path.append({str(ROOT)!r}), __import__('scripts.benchmarks.window_probe'), {PROBE}.install('{PACKAGE}'))"
)
SHOW_PANELS = (
    "[setattr(area.spaces.active, 'context', 'RENDER') for area in bpy.context.window_manager.windows[0].screen.areas"
    " if area.type == 'PROPERTIES']"
)
PRESS = "list(bpy.ops.netrender.animation('INVOKE_DEFAULT'))"


def gather(window: BlenderWindow) -> dict[str, list[Call]]:
    """Seconds of each call, by what was called."""
    window.ask(f"sys.path.append({str(ROOT)!r})")
    window.ask(f"bool({PREPARE})")
    window.ask(f"bool({SHOW_PANELS})")
    window.ask(PRESS)
    window.wait(f"{SESSION}.animation is None", patience=1800)
    found: dict[str, list[Call]] = window.ask(f"{PROBE}.take()")
    return found


def main() -> None:
    if PROGRAM is None:
        sys.exit("NETRENDER_BLENDER does not name a Blender program: a window cannot be had from the bpy package")
    with tempfile.TemporaryDirectory(prefix="netrender-bench-") as name:
        folder = Path(name)
        (extension,) = build_extension.build(folder, ["linux-x64"])
        blender = Blender(folder / "user")
        blender.install(extension)
        with process_farm(folder / "farm", ["one", "two"], blender=PROGRAM) as farm:
            blender.run(SCENE, folder / "scene.blend", folder / "frames" / "####")
            with virtual_screen() as screen, blender_window(PROGRAM, screen, blender, folder / "scene.blend") as window:
                window.ask(f"setattr(bpy.context.scene.netrender, 'address', {farm.url!r})")
                found = gather(window)
        written = len(list((folder / "frames").glob("*")))
    pressed = found.pop(PRESSED, [])
    if written != FRAMES:
        sys.exit(f"only {written} of {FRAMES} frames were written")
    show(
        f"window: milliseconds on Blender's main thread while {FRAMES} frames gather (limit {LIMIT})",
        ["", "calls", "median", "longest", "longest, processor"],
        [row(name, calls) for name, calls in sorted(found.items(), key=lambda item: -longest(item[1]))],
    )
    clock, processor = max(pressed)
    print(
        f"Before that, the press of the button saves the scene: {clock * 1000:.0f} ms, processor {processor * 1000:.0f}"
    )
    stall = max(longest(calls) for name, calls in found.items() if name != BEGIN)
    print(f"Longest stall by the extension's own code: {stall:.1f} ms")
    sys.exit(stall >= LIMIT)


def row(name: str, calls: list[Call]) -> list[str]:
    typical = statistics.median(clock for clock, _ in calls) * 1000
    return [name, f"{len(calls)}", f"{typical:.2f}", f"{longest(calls):.2f}", f"{longest(calls, 1):.2f}"]


def longest(calls: list[Call], which: int = 0) -> float:
    """Milliseconds by the clock, or of the processor."""
    return max(call[which] for call in calls) * 1000


if __name__ == "__main__":
    main()
