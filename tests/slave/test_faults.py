"""What is the machine's fault: the slave says so, gives its work back, and goes on when it can."""

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.protocol import messages
from coordinator.protocol.jobs import Mapped
from coordinator.protocol.states import Fault
from coordinator.slave import health

from ..disks import SmallDisk, small_disk
from ..fakes.blenders import fake_blender, program
from .conftest import StartSlave
from .standin import StandIn

CGROUPS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "RECOVERY_CHECK", 0.05)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Under the slave."""
    with small_disk(tmp_path / "slave", 4) as disk:
        yield disk


def asides(standin: StandIn) -> list[messages.Aside]:
    return [said for said in standin.said if isinstance(said, messages.Aside)]


def fits(standin: StandIn) -> int:
    return sum(isinstance(said, messages.Fit) for said in standin.said)


def wrap(blender: str, line: str) -> None:
    """Have the program run this first."""
    path = Path(blender)
    program(path, f"{line}\n{path.read_text().splitlines()[1]}")


async def test_a_disk_that_is_full_sets_the_slave_aside_until_there_is_room(
    standin: StandIn, slave: StartSlave, disk: SmallDisk
) -> None:
    slave()
    await standin.until(lambda: bool(standin.hellos))
    disk.fill()
    job = standin.job("1-9")
    await standin.give(2, job, 2, 3)
    await standin.until(lambda: bool(asides(standin)))
    aside = asides(standin)[0]  # the next one may have learned more of the reason
    assert "the disk is full" in aside.reason and (aside.job, aside.holding) == (job.id, ())
    await standin.until(lambda: "the disk is full" in standin.logs.get((job.id, 2), ""))
    await standin.drop_connections()
    await standin.until(lambda: len(standin.hellos) == 2)
    assert "the disk is full" in standin.hellos[1].aside and standin.hellos[1].holding == ()
    disk.empty()
    await standin.until(lambda: fits(standin) == 1)
    await standin.give(3, job, 2, 3)
    await standin.has_results(job, 2, 3)
    assert standin.failures == []


async def test_what_is_rendered_is_delivered_from_a_full_disk(
    standin: StandIn, slave: StartSlave, disk: SmallDisk
) -> None:
    told = asyncio.Event()

    async def hold(frame: int) -> None:
        if frame == 1:
            disk.fill()
            await told.wait()

    standin.on_put = hold
    slave("--lines", "3000")  # frame 2 begins after the disk was filled
    job = standin.job("1-9")
    await standin.give(1, job, 1)
    await standin.until(lambda: "PUT 1" in standin.requests)
    await standin.give(2, job, 2, 3)
    await standin.until(lambda: bool(asides(standin)))
    assert asides(standin)[0].holding == (messages.Held(lease=1, frames=(1,)),)
    told.set()
    await standin.has_results(job, 1)
    assert standin.failures == [] and standin.results.keys() == {(job.id, 1)}


async def test_work_that_comes_all_the_same_is_given_back(standin: StandIn, slave: StartSlave, disk: SmallDisk) -> None:
    slave()
    await standin.until(lambda: bool(standin.hellos))
    disk.fill()
    job = standin.job("1-9")
    await standin.give(1, job, 1, 2)
    # The reason is told once more, in the words of what was tried then, and after that no more.
    await standin.until(lambda: len({aside.reason for aside in asides(standin)}) == 2)
    told = len(asides(standin))
    await standin.give(2, job, 3)  # a person has said that it is healed
    await standin.until(lambda: len(asides(standin)) > told)
    assert asides(standin)[-1].holding == ()
    disk.empty()
    await standin.until(lambda: fits(standin) == 1)
    await standin.give(3, job, 3)
    await standin.has_results(job, 3)
    assert standin.results.keys() == {(job.id, 3)}


async def test_a_disk_that_is_full_from_the_beginning(standin: StandIn, slave: StartSlave, disk: SmallDisk) -> None:
    disk.fill()
    slave()
    await standin.until(lambda: bool(standin.hellos))
    assert "the disk is full" in standin.hellos[0].aside
    assert not re.search(r"[0-9a-f]{32}", "".join(path.read_text() for path in disk.folder.glob("id*")))
    disk.empty()
    await standin.until(lambda: fits(standin) == 1)
    job = standin.job("1")
    await standin.give(1, job, 1)
    await standin.has_results(job, 1)
    assert (disk.folder / "id").read_text().strip() == standin.hellos[0].slave


async def test_a_disk_that_cannot_be_written_any_more(standin: StandIn, slave: StartSlave, disk: SmallDisk) -> None:
    slave()
    await standin.until(lambda: bool(standin.hellos))
    job = standin.job("1")
    with disk.protected("work"):
        await standin.give(1, job, 1)
        await standin.until(lambda: bool(asides(standin)))
        assert "Read-only file system" in asides(standin)[0].reason
        await standin.drop_connections()
        await standin.until(lambda: len(standin.hellos) == 2)
        for told in (asides(standin)[0].reason, standin.hellos[1].aside, *standin.logs.values()):
            assert told and str(disk.folder) not in told, "where the slave has its folder is nobody's business"
    await standin.until(lambda: fits(standin) == 1)
    await standin.give(2, job, 1)
    await standin.has_results(job, 1)
    assert standin.failures == []


async def test_a_shared_drive_that_the_slave_does_not_have_is_the_jobs_matter(
    standin: StandIn, slave: StartSlave
) -> None:
    slave()
    lacking = standin.job("1-2", "lacking", mapped=(Mapped(blend="a.blend", stored="//x", path="/drive/x.png"),))
    longest = standin.job("1", "longest", mapped=(Mapped(blend="a.blend", stored="//x", path="/drive/" + "x" * 5000),))
    good = standin.job("1", "good")
    await standin.give(1, lacking, 1, 2)
    await standin.give(2, longest, 1)
    await standin.give(3, good, 1)
    await standin.has_results(good, 1)
    await standin.until(lambda: len(standin.failures) == 3)
    assert {failed.fault for failed in standin.failures} == {Fault.JOB}
    assert all("--path-map" in failed.message for failed in standin.failures)


async def test_a_blender_that_is_gone_sets_the_slave_aside_until_there_is_one(
    standin: StandIn, slave: StartSlave, tmp_path: Path
) -> None:
    slave("--crash-at", "2")
    job = standin.job("1-9")
    await standin.give(1, job, 1)
    await standin.has_results(job, 1)
    blender = tmp_path / "blender"
    blender.rename(tmp_path / "away")
    await standin.give(2, job, 2, 3)
    await standin.until(lambda: bool(asides(standin)))
    [failed] = standin.failures
    assert (failed.frame, failed.fault) == (2, Fault.FRAME) and "SIGSEGV" in failed.message
    assert "does not start" in asides(standin)[0].reason
    (tmp_path / "away").rename(blender)
    await standin.until(lambda: fits(standin) == 1)
    await standin.give(3, job, 3)
    await standin.has_results(job, 3)


async def test_another_blender_than_before_is_told_before_anything_is_rendered_with_it(
    standin: StandIn, slave: StartSlave, tmp_path: Path
) -> None:
    slave("--crash-at", "1")
    job = standin.job("1-9")
    await standin.until(lambda: bool(standin.hellos))
    fake_blender(tmp_path, "--version", "5.0.1")
    await standin.give(1, job, 1, 2)
    await standin.until(lambda: len(standin.hellos) == 2)
    assert "Blender is 5.0.1 now, and was 4.5.1" in asides(standin)[0].reason
    assert (standin.hellos[1].blender, standin.hellos[1].aside, standin.hellos[1].holding) == ("5.0.1", "", ())
    assert standin.results == {}
    await standin.give(2, job, 2)
    await standin.has_results(job, 2)


async def test_colours_with_which_blender_does_not_start_are_the_jobs_fault(
    standin: StandIn, slave: StartSlave, tmp_path: Path
) -> None:
    slave()
    wrap(fake_blender(tmp_path), 'test -z "$OCIO" || exit 3')
    job = standin.job("1", files={"config.ocio": b"broken"}, colors="config.ocio")
    good = standin.job("1", "good")
    await standin.give(1, job, 1)
    await standin.give(2, good, 1)
    await standin.has_results(good, 1)
    [failed] = standin.failures
    assert failed.fault is Fault.FRAME and "colour configuration" in failed.message and not asides(standin)


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A group of processes that the system ends when they take 100 MB."""
    group: Path | None = None
    for root, name in zip(CGROUPS, ("memory.limit_in_bytes", "memory.max"), strict=True):
        try:
            group = root / f"netrender-test-{os.getpid()}"
            group.mkdir()
            (group / name).write_text(str(100 * 10**6))
            break
        except OSError:
            group = None
    if group is None:
        pytest.skip("no group of processes can be given less memory, which needs Linux and root")
    yield group
    group.rmdir()


async def test_a_renderer_that_the_system_ends_for_want_of_memory_is_not_the_frames_fault(
    standin: StandIn, slave: StartSlave, tmp_path: Path, little_memory: Path
) -> None:
    running = slave("--eat-at", "1")
    wrap(fake_blender(tmp_path, "--eat-at", "1"), f"echo $$ > {little_memory / 'cgroup.procs'}")
    job = standin.job("1-2")
    await standin.give(1, job, 1, 2)
    await standin.has_results(job, 2)
    await standin.until(lambda: bool(standin.failures))
    [failed] = standin.failures
    assert (failed.frame, failed.fault) == (1, Fault.JOB) and "out of memory" in failed.message
    await running.stop()
