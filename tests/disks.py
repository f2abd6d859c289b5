"""Disks of a few MB, for what must hold when one is full."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

FILLER = "filler"


@frozen
class SmallDisk:
    """A file system of its own."""

    folder: Path

    @property
    def free(self) -> int:
        about = os.statvfs(self.folder)
        return about.f_bavail * about.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Let it have no more than so many bytes free."""
        with (self.folder / FILLER).open("ab") as file:
            block = bytes(os.statvfs(self.folder).f_frsize)
            while self.free >= leave + len(block):
                file.write(block * max(1, min(256, (self.free - leave) // len(block) // 2)))
                file.flush()

    def empty(self) -> None:
        (self.folder / FILLER).unlink()

    @contextmanager
    def protected(self, name: str) -> Iterator[None]:
        """Let nothing be written to this folder of it, as a file system does that has found itself damaged."""
        folder = self.folder / name
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one; the test is skipped where that is not allowed."""
    folder.mkdir(parents=True)
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("a small disk is mounted, which needs Linux and root")
    size = f"size={megabytes}m"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
