"""How much memory the machine has, and how much a renderer took at most."""

import os
from pathlib import Path


def installed() -> int:
    """Bytes of memory of this machine; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf, macOS not these names
        return 0


def peak(pid: int) -> int:
    """Bytes that the process had in memory at most; 0 where the system does not say.

    The kernel keeps the highest value, so that nothing is missed between two looks.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
