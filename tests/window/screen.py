"""A virtual screen, and a person's hands on it: the mouse, the keyboard, and a picture of what is there.

Needs the programs Xvfb, openbox, xdotool and import (Debian: xvfb, openbox, xdotool, imagemagick).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

SIZE = (1600, 1000)  # pixels
WINDOWS = Path(__file__).with_name("windows.xml")


@frozen
class Screen:
    display: str

    @property
    def environment(self) -> dict[str, str]:
        """What a program on this screen needs besides what it has."""
        # Mesa's software renderer: no test depends on what graphics a machine has.
        return {"DISPLAY": self.display, "LIBGL_ALWAYS_SOFTWARE": "1"}

    def move(self, x: int, y: int) -> None:
        self._xdotool("mousemove", str(x), str(y))

    def hold(self) -> None:
        """The left button of the mouse."""
        self._xdotool("mousedown", "1")

    def release(self) -> None:
        self._xdotool("mouseup", "1")

    def press(self, key: str) -> None:
        self._xdotool("key", key)

    def push_aside(self) -> None:
        """Every window that is smaller than the screen, to its left edge, as a person would who wants to see more."""
        found = self._xdotool("search", "--onlyvisible", "--class", "blender").split()
        for window in found:
            geometry = self._xdotool("getwindowgeometry", "--shell", window)
            sizes = dict(line.split("=") for line in geometry.splitlines())
            width, height = int(sizes["WIDTH"]), int(sizes["HEIGHT"])
            if width < SIZE[0] * 0.9:
                self._xdotool("windowmove", window, "20", str(max(0, SIZE[1] - height - 60)))

    def picture(self, path: Path) -> Path:
        """All of the screen, as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["import", "-silent", "-window", "root", str(path)], env=os.environ | self.environment, check=True
        )
        return path

    def _xdotool(self, *arguments: str) -> str:
        environment = os.environ | self.environment
        return subprocess.run(
            ["xdotool", *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


@contextmanager
def virtual_screen() -> Iterator[Screen]:
    """A screen of its own, on a display that is free."""
    reading, writing = os.pipe()
    size = f"{SIZE[0]}x{SIZE[1]}x24"
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as said:
            number = said.readline().strip()  # it says so when it is ready
        assert number, "Xvfb did not start"
        screen = Screen(f":{number}")
        with _window_manager(screen):
            yield screen
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _window_manager(screen: Screen) -> Iterator[None]:
    process = subprocess.Popen(
        ["openbox", "--sm-disable", "--config-file", str(WINDOWS)],
        env=os.environ | screen.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
