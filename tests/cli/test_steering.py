"""``netrender why``, ``set`` and ``heal`` against a real coordinator."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.client import Client

from ..coordinators import RunningCoordinator
from ..queued import queue_job
from ..scripted_slave import scripted_slave
from .commands import error, netrender


@pytest.fixture
def client(coordinator: RunningCoordinator) -> Iterator[Client]:
    with coordinator.client as client:
        yield client


def test_why_a_job_waits_and_why_a_slave_is_idle(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    where = ("--coordinator", coordinator.url)
    job = queue_job(client, tmp_path)
    text = netrender("why", job[:6], *where).stdout
    assert text.startswith(f"{job} (scene):") and "no slave is connected" in text
    with scripted_slave(coordinator.url, "anna"):
        explained = json.loads(netrender("why", "anna", "--json", *where).stdout)
        assert explained["name"] == "anna" and explained["facts"][0]["code"] == "rendering"
    assert "nobody" in error("why", "nobody", *where)


def test_why_takes_a_slave_by_its_name_though_a_job_begins_so(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    where = ("--coordinator", coordinator.url)
    job = queue_job(client, tmp_path)
    with scripted_slave(coordinator.url, job[0]):
        assert json.loads(netrender("why", job[0], "--json", *where).stdout)["name"] == job[0]
        assert json.loads(netrender("why", job, "--json", *where).stdout)["about"] == job
    assert "if no other begins so" in " ".join(netrender("why", "--help").stdout.split())


def test_a_job_is_changed_while_it_is_there(coordinator: RunningCoordinator, client: Client, tmp_path: Path) -> None:
    where = ("--coordinator", coordinator.url)
    job = queue_job(client, tmp_path)
    said = netrender("set", job, "--priority", "7", "--max-slaves", "2", *where).stdout
    assert "priority 7, at most 2 slaves" in said
    info = client.job(job)
    assert (info.priority, info.max_slaves) == (7, 2)
    assert "--priority" in error("set", job, *where)


def test_a_slave_is_healed_by_its_name(coordinator: RunningCoordinator) -> None:
    with scripted_slave(coordinator.url, "anna"):
        assert (
            netrender("heal", "anna", "--coordinator", coordinator.url).stdout
            == "the failures of slave anna are forgotten\n"
        )
    assert "nobody" in error("heal", "nobody", "--coordinator", coordinator.url)


def test_settings_that_are_wrong_are_named(tmp_path: Path) -> None:
    for text in ("speed=1", "max_share", "max_share=much"):
        assert text.partition("=")[0] in error("coordinator", "--set", text, "--data", tmp_path)
