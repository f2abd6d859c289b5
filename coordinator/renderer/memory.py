"""Whether the system ended a process because memory had run out. Linux tells; elsewhere it looks like any kill."""

from pathlib import Path

KILLED = (-9, 137)  # by SIGKILL; as a shell around the program says it

_COUNTERS = (
    (Path("/proc/vmstat"), "oom_kill"),  # by the whole machine's kernel ...
    (Path("/sys/fs/cgroup/memory.events"), "oom_kill"),  # ... and for the container's own limit (cgroup 2, 1)
    (Path("/sys/fs/cgroup/memory/memory.oom_control"), "oom_kill"),
)


def kills() -> int:
    """Count the processes that were ended for it so far; 0 where the system does not say."""
    return sum(_read(path, name) for path, name in _COUNTERS)


def _read(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        words = line.split()
        if len(words) == 2 and words[0] == name and words[1].isdecimal():
            return int(words[1])
    return 0
