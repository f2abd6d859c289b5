"""What the slave did, as lines."""

import json
from pathlib import Path

from coordinator.slave.trace import Trace

from ..disks import small_disk


def test_a_disk_that_is_full_costs_whole_lines_and_nothing_else(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        path = disk.folder / "trace"
        trace = Trace(path)
        with trace.span("render", "job", 0):
            pass
        disk.fill()
        for frame in range(1, 100):  # more than the page that the file has
            with trace.span("render", "job", frame):
                pass
        disk.empty()
        with trace.span("render", "job", 100):
            pass
        trace.close()
        frames = [json.loads(line)["frame"] for line in path.read_text().splitlines()]
    assert frames == [*range(len(frames) - 1), 100] and 1 < len(frames) < 100
