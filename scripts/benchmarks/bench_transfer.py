"""How files travel to a coordinator here: one large, many small, one changed, and one over a network that breaks.

"aiohttp alone" sends the same bytes to the same coordinator with a bare aiohttp client, the best of three like ours.
"""

import asyncio
import hashlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from coordinator.client import Client
from coordinator.config import Address
from coordinator.protocol.jobs import Accepted, File, Manifest, RenderSettings
from coordinator.slave.api import Api
from coordinator.slave.cache import Cache
from coordinator.slave.trace import Trace
from tests.process_farm import ProcessFarm, process_farm
from tests.proxies import proxy

from .tools import show

LARGE = 1_000_000_000  # bytes
BROKEN = 500_000_000
SMALL, SMALL_SIZE = 10_000, 1024
ROUNDS = 3


def hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def noise(path: Path, size: int, seed: int) -> str:
    """A file of random bytes; its SHA-256."""
    random_bytes = random.Random(seed)
    with path.open("wb") as file:
        for at in range(0, size, 2**24):
            file.write(random_bytes.randbytes(min(2**24, size - at)))
    return hashed(path)


def job(paths: list[Path]) -> tuple[Manifest, dict[str, Path]]:
    sources = {hashed(path): path for path in paths}
    files = tuple(File(path=p.name, sha256=sha256, size=p.stat().st_size) for sha256, p in sources.items())
    settings = RenderSettings(scene="Scene", engine="CYCLES")
    return Manifest(name="bench", blend=files[0].path, files=files, frames="1", render=settings, blender="4.2"), sources


def sent(client: Client, paths: list[Path]) -> Accepted:
    """Hash, announce and upload."""
    manifest, sources = job(paths)
    accepted = client.announce(manifest)
    client.upload_all({sha256: sources[sha256] for sha256 in accepted.missing}, bases=accepted.bases)
    return accepted


async def alone(url: str, path: Path, sha256: str) -> None:
    async with aiohttp.ClientSession(url) as http:
        with path.open("rb") as file:
            async with http.put(f"/api/blobs/{sha256}", data=file) as response:
                assert response.status == 201, await response.text()


def seconds(what: Callable[[], object]) -> float:
    begin = time.perf_counter()
    what()
    return time.perf_counter() - begin


def forget(farm: ProcessFarm, sha256: str) -> None:
    (farm.folder / "data" / "blobs" / sha256[:2] / sha256).unlink()


def large(farm: ProcessFarm, folder: Path) -> list[list[str]]:
    path = folder / "large"
    sha256 = noise(path, LARGE, 1)
    ours, theirs = [], []
    with farm.client as client:
        client.version()
        for _ in range(ROUNDS):  # in turns: the machine may be busier at one time than at another
            theirs.append(seconds(lambda: asyncio.run(alone(farm.url, path, sha256))))
            forget(farm, sha256)
            ours.append(seconds(lambda: client.upload(path, sha256)))
            forget(farm, sha256)
    path.unlink()
    rates = [LARGE / 1e6 / min(times) for times in (ours, theirs)]
    ratio = rates[0] / rates[1]
    return [["1 GB, MB/s", f"{rates[0]:.0f}", f"aiohttp alone {rates[1]:.0f}", f"{ratio:.0%}", "80 % at least"]]


def small(farm: ProcessFarm, folder: Path) -> list[list[str]]:
    paths = []
    for number in range(SMALL):
        paths.append(folder / f"small-{number:05}")
        paths[-1].write_bytes(os.urandom(SMALL_SIZE))
    with farm.client as client:
        client.version()
        took = seconds(lambda: sent(client, paths))
    return [[f"{SMALL} files of 1 KB, s", f"{took:.1f}", "", f"{SMALL / took:.0f} a second", "10 s at most"]]


def changed(farm: ProcessFarm, folder: Path) -> list[list[str]]:
    """A real .blend, of which one object is moved between two sessions of Blender."""
    from . import large_blend

    old, new = folder / "old" / "scene.blend", folder / "new" / "scene.blend"
    large_blend.make(old, new)
    size = new.stat().st_size
    with proxy(int(farm.url.rpartition(":")[2])) as network, Client(Address.parse(network.url)) as client:
        sent(client, [old])
        before = network.sent
        took = seconds(lambda: sent(client, [new]))
        travelled = network.sent - before
    share = travelled / size
    what = f".blend of {size / 1e6:.0f} MB, one object moved, MB"
    return [[what, f"{travelled / 1e6:.1f}", f"in {took:.1f} s", f"{share:.1%}", "5 % at most"]]


def again(farm: ProcessFarm, folder: Path) -> list[list[str]]:
    """A second job with the same files; and a slave that gets a second job with what it has."""
    path = folder / "again"
    noise(path, 50_000_000, 2)

    async def fetch(url: str, jobs: list[str]) -> None:
        api = Api(url, "0" * 32)
        api.online.set()
        try:
            cache = Cache(folder / "slave", api, Trace(None))
            for one in jobs:
                await cache.prepare(one, (1,))
        finally:
            await api.close()

    with proxy(int(farm.url.rpartition(":")[2])) as network, Client(Address.parse(network.url)) as client:
        first = sent(client, [path])
        before = network.sent
        extra = folder / "extra"
        extra.write_bytes(b"another file")
        second = sent(client, [path, extra])
        up = network.sent - before
        asyncio.run(fetch(network.url, [first.id]))
        before = network.received
        asyncio.run(fetch(network.url, [second.id]))
        down = network.received - before
    return [
        ["50 MB that the coordinator has, second job, KB", f"{up / 1e3:.1f}", "", "", "nothing of it"],
        ["50 MB that the slave has, second job, KB", f"{down / 1e3:.1f}", "", "", "nothing of it"],
    ]


def broken(farm: ProcessFarm, folder: Path) -> list[list[str]]:
    path = folder / "broken"
    sha256 = noise(path, BROKEN, 3)
    cuts = [random.randrange(BROKEN // 100, BROKEN // 12) for _ in range(10)]
    with proxy(int(farm.url.rpartition(":")[2]), cuts) as network, Client(Address.parse(network.url)) as client:
        took = seconds(lambda: client.upload(path, sha256))
        assert network.cuts == [], "not all cuts were made"
        travelled = network.sent
    stored = farm.folder / "data" / "blobs" / sha256[:2] / sha256
    assert hashed(stored) == sha256
    what, share = "500 MB, connection cut 10 times, MB", travelled / BROKEN
    return [[what, f"{travelled / 1e6:.0f}", f"in {took:.1f} s", f"{share:.0%}", "the bytes are right"]]


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="netrender-bench-"))
    try:
        with process_farm(folder / "farm") as farm:
            rows: list[list[str]] = []
            for measure in (large, small, changed, again, broken):
                rows += measure(farm, folder)
                print(*rows[-1], sep=" | ", flush=True)
    finally:
        shutil.rmtree(folder)
    show("transfer, on loopback", ["", "ours", "", "ratio", "target"], rows)


if __name__ == "__main__":
    main()
