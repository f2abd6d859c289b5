"""A small disk of its own for a folder, to be filled and emptied by a test."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_tmpfs = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux may mount a small disk"
)


class Disk:
    """A folder with a disk of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.folder).free

    def fill(self, leave: int = 0) -> None:
        """Take all room but so many bytes."""
        with self._ballast.open("ab") as file:
            size = max(self.free - leave, 0)
            with contextlib.suppress(OSError):  # others were faster
                os.posix_fallocate(file.fileno(), file.tell(), max(size, 1))

    def empty(self) -> None:
        """Give the room back."""
        self._ballast.unlink()


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Disk]:
    """Mount a disk of so many bytes at the folder, until the end of the test."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
