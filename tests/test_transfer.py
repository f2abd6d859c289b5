"""Uploads through a network that is counted and cut: only what is needed travels, and it arrives whole."""

import random
from pathlib import Path

import pytest

from coordinator import errors
from coordinator.client import Client
from coordinator.client.connection import Connection
from coordinator.config import Address
from coordinator.protocol.jobs import Accepted, File, Manifest, RenderSettings

from .coordinators import RunningCoordinator
from .proxies import Proxy, proxy
from .submissions import sha256

RANDOM = random.Random(7)
OLD = RANDOM.randbytes(8_000_000)
NEW = OLD[:3_000_000] + b"moved by a metre" + OLD[3_000_016:5_000_000] + b"one more" + OLD[5_000_000:]


def send(client: Client, path: Path, data: bytes) -> Accepted:
    """Announce a job of this one file, and upload it."""
    path.write_bytes(data)
    file = File(path="film/scene.blend", sha256=sha256(data), size=len(data))
    accepted = client.announce(
        Manifest(
            name="film",
            blend=file.path,
            files=(file,),
            frames="1",
            render=RenderSettings(scene="Scene", engine="CYCLES"),
            blender="4.2",
        )
    )
    client.upload_all(dict.fromkeys(accepted.missing, path), bases=accepted.bases)
    return accepted


def through(network: Proxy) -> Client:
    return Client(Address.parse(network.url))


def stored(coordinator: RunningCoordinator, data: bytes) -> bytes:
    name = sha256(data)
    return (coordinator.data / "blobs" / name[:2] / name).read_bytes()


def test_of_a_changed_file_only_the_changes_travel(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    with proxy(coordinator.port) as network, through(network) as client:
        assert send(client, tmp_path / "a", OLD).bases == {}
        before = network.sent
        assert send(client, tmp_path / "a", NEW).bases == {sha256(NEW): sha256(OLD)}
        assert network.sent - before < len(NEW) / 10
    assert stored(coordinator, NEW) == NEW


def test_a_file_that_is_all_new_is_sent_whole(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    other = RANDOM.randbytes(2_000_000)
    with coordinator.client as client:
        send(client, tmp_path / "a", OLD)
        assert send(client, tmp_path / "a", other).bases == {sha256(other): sha256(OLD)}
    assert stored(coordinator, other) == other


def test_what_is_there_is_not_sent(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    with proxy(coordinator.port) as network, through(network) as client:
        send(client, tmp_path / "a", OLD)
        before = network.sent
        client.upload(tmp_path / "a", sha256(OLD))
        assert network.sent - before < 2000


def test_an_upload_that_is_cut_ten_times_arrives_whole(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    data = RANDOM.randbytes(20_000_000)
    cuts = [RANDOM.randrange(100_000, 1_700_000) for _ in range(10)]
    with proxy(coordinator.port, cuts) as network, through(network) as client:
        client.version()
        send(client, tmp_path / "a", data)
        assert network.cuts == []
        assert network.sent < 1.5 * len(data), "it went on from where it broke"
    assert stored(coordinator, data) == data


def test_changes_that_are_cut_arrive_whole(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    new = OLD[:1_000_000] + RANDOM.randbytes(2_500_000) + OLD[1_000_000:]
    with coordinator.client as client:
        send(client, tmp_path / "a", OLD)
    with proxy(coordinator.port, [700_000, 900_000]) as network, through(network) as client:
        send(client, tmp_path / "a", new)
        assert network.cuts == [] and network.sent < 0.8 * len(new)
    assert stored(coordinator, new) == new


def test_over_a_network_it_is_compressed(
    coordinator: RunningCoordinator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "far", True)
    text = b"".join(b"vertex %d %d\n" % (number, number * number) for number in range(200_000))
    noise = RANDOM.randbytes(3_000_000)
    with proxy(coordinator.port) as network, through(network) as client:
        send(client, tmp_path / "a", text)
        assert network.sent < len(text) / 2
        before = network.sent
        client.upload(_write(tmp_path / "b", noise), sha256(noise))
        assert len(noise) < network.sent - before < 1.01 * len(noise), "it would become no smaller"
    assert stored(coordinator, text) == text and stored(coordinator, noise) == noise


def test_compressed_and_cut_it_arrives_whole(
    coordinator: RunningCoordinator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "far", True)
    text = b"".join(b"vertex %d %d\n" % (number, RANDOM.randrange(10**6)) for number in range(300_000))
    with proxy(coordinator.port, [400_000, 300_000, 200_000]) as network, through(network) as client:
        send(client, tmp_path / "a", text)
        assert network.cuts == []
    assert stored(coordinator, text) == text


def test_a_file_that_changes_while_it_is_sent_is_named(coordinator: RunningCoordinator, tmp_path: Path) -> None:
    path = _write(tmp_path / "cache_0001.vdb", OLD)
    with coordinator.client as client:
        with pytest.raises(errors.BlobMismatchError, match=r"cache_0001\.vdb changed while it was submitted"):
            client.upload(path, sha256(NEW))
        path.unlink()
        with pytest.raises(errors.StorageError, match=r"cache_0001\.vdb cannot be read.*submit again"):
            client.upload(path, sha256(OLD))


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
