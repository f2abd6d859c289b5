"""Full disks under a slave and under a client: it is said, nothing is lost, no frame is blamed, and it goes on."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordinator.client import Client
from coordinator.protocol.jobs import SlaveInfo
from coordinator.protocol.messages import Event, FrameDone, SlaveChanged
from coordinator.protocol.states import JobState
from tests import exr, scenes
from tests.disks import SmallDisk, small_disk
from tests.process_farm import NETRENDER, ROOT, ProcessFarm, process_farm

pytestmark = pytest.mark.blender


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 24) as disk:
        yield disk


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[ProcessFarm]:
    with process_farm(tmp_path / "farm") as farm:
        yield farm


def await_event(events: Iterator[Event | None], wanted: Callable[[Event], bool]) -> None:
    """Until the stream has told it."""
    while (event := next(events)) is None or not wanted(event):
        pass


def await_slave(client: Client, events: Iterator[Event | None], wanted: Callable[[SlaveInfo], bool]) -> SlaveInfo:
    """Until the farm's only slave is so."""
    while True:
        slaves = [slave for slave in client.slaves() if slave.connected]
        if slaves and wanted(slaves[0]):
            return slaves[0]
        await_event(events, lambda event: isinstance(event, SlaveChanged))


def assert_done_and_blameless(client: Client, job: str, frames: int) -> None:
    info = client.job(job)
    assert (info.state, info.counts.done, info.counts.error, info.barred) == (JobState.FINISHED, frames, 0, ())
    assert {frame.attempts for frame in client.frames(job)} == {0}
    assert not client.slaves()[0].aside


def test_a_slave_whose_disk_is_full_from_the_beginning(farm: ProcessFarm, disk: SmallDisk, tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "scene.blend", frames=4)
    disk.fill()
    events = farm.client.events()
    farm.start_slave("anna", 1, "--data", str(disk.folder / "anna"))
    slave = await_slave(farm.client, events, lambda slave: bool(slave.aside))
    assert "the disk is full" in slave.aside
    job = farm.submit(blend)
    assert "set aside" in farm.client.job(job).reason and "anna" in farm.client.job(job).reason
    assert "aside" in {fact.code for fact in farm.client.why_job(job).facts}
    assert farm.client.why_slave(slave.id).facts[0].code == "aside"
    assert "set aside" in farm.run("slaves", "--coordinator", farm.url).stdout
    farm.run("heal", "anna", "--coordinator", farm.url)  # it is not
    await_slave(farm.client, events, lambda slave: bool(slave.aside))
    disk.empty()
    assert len(farm.gather(job, tmp_path / "frames")) == 4
    assert_done_and_blameless(farm.client, job, 4)


def test_a_slave_whose_disk_fills_up_while_it_renders(farm: ProcessFarm, disk: SmallDisk, tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "scene.blend", frames=12, samples=200)
    farm.start_slave("anna", 1, "--data", str(disk.folder / "anna"))
    farm.wait_for_slaves()
    events = farm.client.events()
    job = farm.submit(blend)
    await_event(events, lambda event: isinstance(event, FrameDone))
    disk.fill()
    await_slave(farm.client, events, lambda slave: bool(slave.aside))
    disk.empty()
    await_slave(farm.client, events, lambda slave: not slave.aside)
    assert len(farm.gather(job, tmp_path / "frames")) == 12
    assert_done_and_blameless(farm.client, job, 12)
    renders = [span["frame"] for span in farm.spans() if span["span"] == "render" and not span["error"]]
    assert sorted(renders) == list(range(1, 13)), "what was rendered is delivered, and not rendered again"


def test_another_slave_renders_what_one_with_a_full_disk_cannot(
    farm: ProcessFarm, disk: SmallDisk, tmp_path: Path
) -> None:
    blend = scenes.build("simple", tmp_path / "scene.blend", frames=8)
    farm.start_slave("anna", 1, "--data", str(disk.folder / "anna"))
    farm.wait_for_slaves()
    disk.fill()
    events = farm.client.events()
    job = farm.submit(blend)
    await_slave(farm.client, events, lambda slave: bool(slave.aside))
    farm.start_slave("bert")
    assert len(farm.gather(job, tmp_path / "frames")) == 8
    info = farm.client.job(job)
    assert (info.slaves, info.counts.error, info.barred) == ({"bert": 8}, 0, ())
    assert {frame.attempts for frame in farm.client.frames(job)} == {0}
    assert {slave.name: bool(slave.aside) for slave in farm.client.slaves()} == {"anna": True, "bert": False}


def test_a_job_that_does_not_fit_on_the_disk_stops_no_other(farm: ProcessFarm, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 100) as disk:
        farm.start_slave("anna", 1, "--data", str(disk.folder / "anna"))
        large = scenes.build("simple", tmp_path / "large.blend", frames=2, then=LARGE.format(megabytes=120))
        small = scenes.build("simple", tmp_path / "small.blend", frames=2)
        too_large = farm.submit(large)
        farm.run("gather", too_large, "--coordinator", farm.url, "--output", str(tmp_path / "none"), check=False)
        info = farm.client.job(too_large)
        assert (info.state, info.counts.error, info.counts.done) == (JobState.FINISHED, 0, 0)
        assert "none of the slaves that are here can render it: anna (the job's files need" in info.reason
        assert len(farm.gather(farm.submit(small), tmp_path / "frames")) == 2


LARGE = """
import os
text = bpy.data.texts.new("large")
image = bpy.data.images.new("large", 1024, 1024, float_buffer=True)
data = os.urandom({megabytes} * 2**20 // 4)
for number in range(4):
    block = bpy.data.images.new(f"block {{number}}", 1, 1)
    block.pack(data=data, data_len=len(data))
    block.use_fake_user = True
"""


def test_a_client_whose_disk_is_full_goes_on_when_there_is_room(
    farm: ProcessFarm, disk: SmallDisk, tmp_path: Path
) -> None:
    blend = scenes.build("simple", tmp_path / "scene.blend", frames=6)
    farm.start_slave("anna")
    output = disk.folder / "frames"
    there = ["--coordinator", farm.url, "--output", str(output)]
    output.mkdir()
    disk.fill(3 * 4096)
    submitted = farm.run("submit", str(blend), *there, check=False)
    job = submitted.stdout.strip()
    assert submitted.returncode == 1 and "Traceback" not in submitted.stderr
    assert f"netrender: error: no space left in {output}: make room" in submitted.stderr
    assert "of 6 frames are there, not " in submitted.stderr
    assert f"the coordinator keeps job {job}. Gather it later with: netrender gather {job} --output" in submitted.stderr
    gathered = farm.run("gather", job, *there, check=False)
    assert gathered.returncode == 1 and "no space left" in gathered.stderr
    whole = sorted(output.iterdir())
    assert 0 < len(whole) < 6 and all(exr.read(path) for path in whole), "each is whole, or not there"
    before = {path: path.stat().st_mtime_ns for path in whole}
    disk.empty()
    assert len(farm.gather(job, output)) == 6
    assert before == {path: path.stat().st_mtime_ns for path in whole}, "and is not fetched again"
    assert_done_and_blameless(farm.client, job, 6)


def test_render_into_a_full_disk_says_what_is_left_to_render(disk: SmallDisk, tmp_path: Path) -> None:
    blend = scenes.build("simple", tmp_path / "scene.blend", frames=6)
    (disk.folder / "frames").mkdir()
    disk.fill(3 * 4096)
    command = [*NETRENDER, "render", str(blend), "--output", str(disk.folder / "frames"), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=200)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.search(r"no space left in .* of 6 frames are there, not \S+: name them with --frames", done.stderr)
    assert all(exr.read(path) for path in (disk.folder / "frames").iterdir())
