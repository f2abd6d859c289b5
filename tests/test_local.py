"""The private farm: its processes, and what is said when one of them dies."""

import os
import signal
from pathlib import Path

import pytest

from coordinator.client import Client
from coordinator.errors import NetrenderError
from coordinator.gathering import gather
from coordinator.local import LocalFarm
from coordinator.protocol.messages import SlaveChanged

from .queued import queue_job

pytestmark = pytest.mark.blender


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_leaving_it_ends_every_process_and_removes_the_folder() -> None:
    with LocalFarm(slaves=2, threads=1) as farm:
        with Client(farm.address()) as client:
            stream = client.events()
            while sum(slave.connected for slave in client.slaves()) < 2:
                while not isinstance(next(stream), SlaveChanged):
                    pass
            stream.close()
        pids = [child.process.pid for child in farm.children]
        folder = farm.folder
        assert len(pids) == 3
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)
    assert not folder.exists()


def test_leaving_it_at_once_is_clean() -> None:
    with LocalFarm(slaves=2, threads=1) as farm:
        pass
    assert not any(alive(child.process.pid) for child in farm.children)
    assert not farm.folder.exists()


@pytest.mark.parametrize("victim", [0, 1])  # the coordinator; the only slave
def test_a_child_that_dies_ends_the_waiting_with_its_name(victim: int, tmp_path: Path) -> None:
    def kill(event: object) -> None:
        os.kill(farm.children[victim].process.pid, signal.SIGKILL)

    with (
        LocalFarm(slaves=1, threads=1) as farm,
        Client(farm.address()) as client,
        pytest.raises(NetrenderError, match=f"the {farm.children[victim].name} ended by itself"),
        farm.explaining(),
    ):
        job = queue_job(client, tmp_path)
        client.command(job, "pause")  # so that nothing but the death can end the waiting
        gather(client, job, None, tmp_path / "out", wait=True, on_event=kill, patience=0.0)


def test_a_slave_that_does_not_start_is_explained(tmp_path: Path) -> None:
    with (
        LocalFarm(slaves=1, threads=1, blender="/no/blender") as farm,
        Client(farm.address()) as client,
        pytest.raises(NetrenderError) as caught,
        farm.explaining(),
    ):
        gather(client, queue_job(client, tmp_path), None, None, wait=True, patience=0.0)
    assert "slave local-1 ended by itself with exit code 2" in caught.value.message
    assert "/no/blender" in caught.value.message
