"""The newcomer's story, on a network of its own where the system allows that: others may have a master running."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.blender

ROOT = Path(__file__).resolve().parents[2]
ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def alone() -> list[str]:
    """The beginning of a command that gives it a network with nobody else; nothing if that may not be."""
    if os.name != "posix" or shutil.which("unshare") is None or shutil.which("ip") is None:
        return []
    return ALONE if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0 else []


@pytest.mark.timeout(900)  # three Blenders and a software renderer, which share what there is
def test_three_windows_and_a_network_render(extension: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [*alone(), sys.executable, "-m", "tests.window.newcomer", str(extension), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert told.returncode == 0, f"{told.stdout}\npictures are in {tmp_path}"
    assert "the animation is at its end" in told.stdout
