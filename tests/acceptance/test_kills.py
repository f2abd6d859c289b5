"""kill -9 of a slave, of its renderer and of the coordinator, at random moments of a running job."""

import contextlib
import random
import threading
from collections import defaultdict
from pathlib import Path

import psutil
import pytest

from coordinator.client import Client
from coordinator.errors import UnreachableError
from coordinator.protocol.messages import FrameDone
from coordinator.protocol.states import JobState
from tests import exr, reference, scenes
from tests.process_farm import ProcessFarm, kill, process_farm

pytestmark = pytest.mark.blender

FRAMES = 60
SAMPLES = 800  # a frame takes long enough for a kill to hit it, and not only the end of the job
KILLS = ["slave", "renderer", "coordinator"] * 3 + ["slave"]


class Count:
    """How many frames are done, as the event stream tells, over all restarts of the coordinator."""

    def __init__(self, client: Client, job: str) -> None:
        self._client, self._job = client, job
        self._frames: set[int] = set()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def wait_for(self, count: int) -> None:
        with self._changed:
            there = self._changed.wait_for(lambda: len(self._frames) >= count, timeout=120)
            assert there, f"{len(self._frames)} of {count} frames are done; {self._client.job(self._job).reason}"

    def ended(self) -> None:
        """Wait until it sees that the coordinator is gone."""
        self._thread.join()

    def again(self) -> None:
        """Look anew: the coordinator is back."""
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        try:
            events = self._client.events(self._job)
            self._add({info.frame for info in self._client.frames(self._job) if info.sha256})
            for event in events:
                if isinstance(event, FrameDone):
                    self._add({event.frame})
        except UnreachableError:
            pass

    def _add(self, frames: set[int]) -> None:
        with self._changed:
            self._frames |= frames
            self._changed.notify_all()


def strike(farm: ProcessFarm, what: str, count: Count, chance: random.Random) -> None:
    slave = chance.choice(sorted(farm.slaves))
    if what == "coordinator":
        assert farm.coordinator is not None
        kill(farm.coordinator)
        count.ended()
        farm.start_coordinator()
        count.again()
    elif what == "slave":
        kill(farm.slaves[slave])
        farm.restart_slave(slave)
    else:
        farm.wait_for_slaves()  # one whose first renderer does not come up ends, and says so
        for child in psutil.Process(farm.slaves[slave].pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it was being replaced
                child.kill()


def test_ten_kills_lose_nothing_and_repeat_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    kills = chance.sample(KILLS, len(KILLS))
    moments = sorted(chance.sample(range(1, FRAMES - 10), len(kills)))
    print(f"seed {seed}: {list(zip(moments, kills, strict=True))}")
    blend = scenes.build("simple", tmp_path / "scene.blend", frames=FRAMES, samples=SAMPLES)
    local = reference.render(blend, tmp_path / "local", f"1-{FRAMES}")
    with process_farm(tmp_path / "farm", ["slave-1", "slave-2"]) as farm:
        job = farm.submit(blend)
        count = Count(farm.client, job)
        for moment, what in zip(moments, kills, strict=True):
            count.wait_for(moment)
            # Anywhere within a frame, an upload or a commit, not always right after one.
            threading.Event().wait(chance.random() * 0.3)
            strike(farm, what, count, chance)
        frames = farm.gather(job, tmp_path / "frames")
        assert farm.client.job(job).state is JobState.FINISHED
        traced = farm.spans()
    assert len(frames) == FRAMES
    for frame in frames:
        assert exr.differences(local / frame.name, frame) == []

    acknowledged: dict[object, float] = {}
    renders: defaultdict[object, list[float]] = defaultdict(list)
    for span in traced:
        if span["span"] == "upload" and not span["error"]:  # an upload that broke was not acknowledged
            end = float(str(span["end"]))
            acknowledged[span["frame"]] = min(end, acknowledged.get(span["frame"], end))
        elif span["span"] == "render":
            renders[span["frame"]].append(float(str(span["start"])))
    assert len(acknowledged) > FRAMES // 2
    for number, when in acknowledged.items():
        # A second slave that begins at the same moment is told at once that it need not.
        assert all(start < when + 0.1 for start in renders[number]), f"frame {number} was rendered again"
