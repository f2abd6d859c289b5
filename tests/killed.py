"""A writer of files that is killed (SIGKILL, by itself) at every step in turn: ``python -m tests.killed store FOLDER``.

Run N happens in FOLDER/N and is killed before its Nth step; a step is each opening, renaming, linking or removing below
that folder, and the middle of each block that is written. The last run gets to its end. Prints how many there were.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from coordinator.pathmaps import PathMap
from coordinator.slave import cache, exports
from coordinator.slave.api import Api
from coordinator.slave.trace import Trace
from coordinator.store import blobs
from tests.slave.standin import StandIn
from tests.submissions import sha256

BIG = bytes(range(256)) * 6000  # several blocks
SMALL = [b"small file %d" % number for number in range(8)]  # as many as go in a batch
EVENTS = ("open", "os.rename", "os.remove", "os.link", "os.chmod", "os.mkdir")


async def store(folder: Path) -> None:
    """What a coordinator does with an upload and with a batch."""
    from coordinator.protocol import batches

    async def body() -> AsyncIterator[bytes]:
        for at in range(0, len(BIG), 500_000):
            yield BIG[at : at + 500_000]

    kept = blobs.Blobs(folder)
    await kept.receive(sha256(BIG), body())
    await kept.receive_batch(b"".join(batches.pack(sha256(data), data) for data in SMALL))
    assert kept._settling is not None
    await kept._settling


async def fetch(folder: Path) -> None:
    """What a slave does for a job."""
    standin = StandIn()
    await standin.start()
    api = Api(standin.url, "0" * 32)
    api.online.set()
    await cache.Cache(folder, api, Trace(None)).prepare(job(standin), (1,))
    await api.close()
    await standin.stop()


async def export(folder: Path) -> None:
    """What a slave does with a result that a shared folder gets too."""
    source = folder.with_name(f"{folder.name}.exr")
    source.write_bytes(BIG)
    exports.write(source, "/r", [PathMap("/r", str(folder))], 1, 7)


def job(standin: StandIn) -> str:
    files = {"cache.vdb": BIG, **{f"tex/{number}.png": data for number, data in enumerate(SMALL)}}
    return standin.job("1", files=files).id


def killed_at(step: int, folder: Path) -> None:
    """From now on, this process dies at its ``step``-th step."""
    left = iter(range(step))

    def one() -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, args: tuple[Any, ...]) -> None:
        if event in EVENTS and isinstance(args[0], str | os.PathLike) and os.fspath(args[0]).startswith(str(folder)):
            one()

    def halved(write: Callable[[bytes, BinaryIO], None]) -> Callable[[bytes, BinaryIO], None]:
        def write_halves(block: bytes, file: BinaryIO) -> None:
            for half in (block[: len(block) // 2], block[len(block) // 2 :]):
                write(half, file)
                file.flush()
                one()

        return write_halves

    append, take = blobs._append, cache._take
    blobs._append = lambda file, digest, block: halved(lambda part, to: append(to, digest, part))(block, file)
    cache._take = lambda block, file, digest: halved(lambda part, to: take(part, to, digest))(block, file)
    sys.addaudithook(audit)


def runs(write: Callable[[Path], Any], root: Path) -> Iterator[int]:
    """One after the other, each in a process of its own, until one is not killed."""
    for step in count():
        folder = root / str(step)
        folder.mkdir()
        child = os.fork()
        if child == 0:
            killed_at(step, folder)
            asyncio.run(write(folder))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL), status
        yield step
        if status == 0:
            return


if __name__ == "__main__":
    what = {"store": store, "fetch": fetch, "export": export}[sys.argv[1]]
    print(len(list(runs(what, Path(sys.argv[2])))))
