"""``netrender render`` and ``submit``, with real Blender."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from coordinator.client import Client

from .. import scenes
from ..coordinators import RunningCoordinator
from ..scripted_slave import scripted_slave
from ..test_submission import with_pictures
from .commands import error, netrender, start

pytestmark = pytest.mark.blender


@pytest.fixture
def client(coordinator: RunningCoordinator) -> Iterator[Client]:
    with coordinator.client as client:
        yield client


@pytest.fixture(scope="module")
def blend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes.build("simple", tmp_path_factory.mktemp("cli") / "shot.blend", frames=3, samples=1)


def test_submit_prints_the_id_alone_and_wait_gathers(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path, blend: Path
) -> None:
    where = ("--coordinator", coordinator.url)
    first = netrender("submit", blend, *where)
    job = first.stdout.strip()
    assert client.job(job).name == "shot"
    again = netrender("submit", blend, *where)
    assert again.stdout.strip() == job
    assert f"job {job} was there already (queued)" in again.stderr
    client.command(job, "cancel")
    assert "--again" in netrender("submit", blend, *where).stderr
    with scripted_slave(coordinator.url, permits=99):
        other = netrender("submit", blend, *where, "--again", "--output", tmp_path / "out")
    assert other.stdout.strip() != job
    assert len(other.stdout.splitlines()) == 1
    assert "3 of 3 frames" in other.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0001.exr", "0002.exr", "0003.exr"]


def test_submit_for_a_program(coordinator: RunningCoordinator, client: Client, tmp_path: Path, blend: Path) -> None:
    options = ("--coordinator", coordinator.url, "--wait", "--json", "--frames", "2")
    with scripted_slave(coordinator.url, permits=99), start("submit", blend, *options) as process:
        text, _ = process.communicate(timeout=60)
    first, *events, summary = map(json.loads, text.splitlines())
    assert (first["type"], first["new"], first["uploaded"]) == ("submitted", True, 1)
    assert "frame-done" in {event["type"] for event in events}
    assert (summary["type"], summary["frames"], summary["saved"]) == ("summary", "2", 1)


def test_what_is_missing_is_named_before_anything_is_sent(
    coordinator: RunningCoordinator, client: Client, tmp_path: Path
) -> None:
    blend = with_pictures(tmp_path, {"film/a.png": "//a.png"}, delete=("film/a.png",))
    text = error("submit", blend, "--coordinator", coordinator.url)
    assert "image 'a.png': //a.png" in text
    assert client.jobs() == []
    allowed = netrender("submit", blend, "--coordinator", coordinator.url, "--allow-missing")
    assert "warning: missing image 'a.png'" in allowed.stderr
    assert client.job(allowed.stdout.strip()).state == "queued"


def test_render_goes_from_start_to_frames(tmp_path: Path, blend: Path) -> None:
    done = netrender("render", blend, "--slaves", "2", "--output", tmp_path / "out", "--percentage", "50")
    assert f"3 of 3 frames in {tmp_path / 'out'}" in done.stdout
    assert "frames a minute" in done.stdout
    assert "local-1: " in done.stdout or "local-2: " in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0001.exr", "0002.exr", "0003.exr"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_render_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    blend = scenes.build("slow", tmp_path / "slow.blend", frames=50)
    with start("render", blend, "--output", tmp_path / "out", "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["type"] == "frame-started":
                break
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3  # coordinator, slave, renderer
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert not psutil.wait_procs(children, timeout=30)[1]
