"""A renderer that fails as it is told to. It speaks the pipe protocol and renders a line of text.

Run as a program by ``blenders.fake_blender``; what follows its own options (``-b -P ...``) is ignored.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--version", default="4.5.1")
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--stubborn", action="store_true", help="survives quit, the end of its input, and SIGTERM")
    parser.add_argument("--alive", type=Path, help="a file that is locked for as long as this process lives")
    parser.add_argument("--refuse", action="store_true", help="every open is a bad scene")
    parser.add_argument("--gates", type=Path, help="a folder: a FIFO named as the scene's text is read first")
    parser.add_argument("--fail-at", type=int)
    parser.add_argument("--crash-at", type=int)
    parser.add_argument("--crashed", type=Path, help="crash only if this file is not there, and make it")
    parser.add_argument("--eat-at", type=int, help="all the memory that there is")
    parser.add_argument("--hang-at", type=int)
    parser.add_argument("--garbage-at", type=int)
    parser.add_argument("--reply", help="said as it is, before a frame is rendered")
    parser.add_argument("--long-at", type=int, help="a reply without an end")
    parser.add_argument("--leave", type=Path, help="leave a process with our pipes, its number in this file")
    parser.add_argument("--link-to", type=Path, help="a link to this file is the result")
    parser.add_argument("--pipe", action="store_true", help="a pipe is the result")
    parser.add_argument("--tell-paths", action="store_true", help="log them, and name them in a failure")
    parser.add_argument("--seconds", type=float, default=0.5, help="what it says that a frame took")
    parser.add_argument("--lines", type=int, default=1, help="log lines a frame")
    return parser.parse_known_args()[0]


def say(**message: Any) -> None:
    sys.stdout.write(f"netrender:{json.dumps(message)}\n")
    sys.stdout.flush()


def for_ever() -> None:
    while True:
        time.sleep(3600)


class Fake:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.blend = self.path = ""

    def open(self, *, blend: str, **_: Any) -> None:
        if self.options.refuse:
            say(type="error", code="bad-scene", message="there is no scene 'Scene'")
            return
        self.blend, self.path = Path(blend).read_text(), blend
        if self.options.gates and (gate := self.options.gates / self.blend).exists():
            gate.read_bytes()
        print(f"opened by {os.getpid()}", file=sys.stderr, flush=True)
        say(type="opened", seconds=0.1)

    def render(self, *, frame: int, output: str) -> None:
        options = self.options
        for number in range(options.lines):
            print(f"frame {frame} line {number}", file=sys.stderr, flush=True)
        if options.tell_paths:
            print(f"{self.path} goes to {output}", file=sys.stderr, flush=True)
        if frame == options.fail_at:
            where = f": cannot write {output}" if options.tell_paths else ""
            say(type="error", code="renderer", message=f"out of memory{where}")
            return
        if frame == options.crash_at and not (options.crashed and options.crashed.exists()):
            if options.crashed:
                options.crashed.touch()
            print("about to crash", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if frame == options.eat_at:
            eaten = [bytes([1]) * 2**24 for _ in range(2**10)]
            print(len(eaten), file=sys.stderr)
        if frame == options.garbage_at:
            sys.stdout.write("netrender:{not json\n")
            sys.stdout.flush()
        if options.reply:
            sys.stdout.write(f"netrender:{options.reply}\n")
        if frame == options.long_at:
            sys.stdout.write("netrender:" + "[" * 2**21)
            sys.stdout.flush()
        if options.leave:
            left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
            options.leave.write_text(str(left.pid))
        say(type="progress", frame=frame, sample=1, samples=4)
        if frame == options.hang_at:
            for_ever()
        if options.link_to or options.pipe:
            Path(output).symlink_to(options.link_to) if options.link_to else os.mkfifo(output)
            say(type="rendered", frame=frame, seconds=options.seconds)
            return
        partial = Path(output + ".part")
        try:
            partial.write_text(f"frame {frame} of {self.blend}")
            partial.replace(output)
        except OSError as error:
            say(type="error", code="storage", message=f"no room for frame {frame}: {error.strerror}", size=2**13)
            return
        say(type="rendered", frame=frame, seconds=options.seconds)


def end_with_input(commands: "list[str]", news: threading.Semaphore, stubborn: bool) -> None:
    for line in sys.stdin:
        commands.append(line)
        news.release()
    if not stubborn:
        os._exit(0)


def main() -> None:
    options = parse()
    if options.alive:
        import fcntl

        lock = options.alive.open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("A banner, as Blender prints it", flush=True)
    if options.never_ready:
        for_ever()
    say(type="ready", blender=options.version, engines=["CYCLES"], features=["denoiser"], pid=os.getpid())
    commands: list[str] = []
    news = threading.Semaphore(0)
    threading.Thread(target=end_with_input, args=(commands, news, options.stubborn), daemon=True).start()
    fake = Fake(options)
    while True:
        news.acquire()
        command = json.loads(commands.pop(0))
        do = command.pop("do")
        if do == "quit" and not options.stubborn:
            os._exit(0)
        if do != "quit":
            getattr(fake, do)(**command)


if __name__ == "__main__":
    main()
