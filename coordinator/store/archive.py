"""A job as one tar file that anything can unpack: its files in their tree, its results and logs, and what it was."""

import asyncio
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from attrs import frozen

from ..constants import MAX_JSON_BODY, TRANSFER_BLOCK
from ..errors import BadRequestError
from ..protocol import codec
from ..protocol.jobs import FrameInfo, JobInfo, Manifest
from ..protocol.states import ENDED

ABOUT = "job.json"
_SOURCES, _RESULTS, _LOGS = "sources", "results", "logs"
_END = bytes(2 * tarfile.BLOCKSIZE)


@frozen(kw_only=True)
class About:
    """The first file of an archive."""

    manifest: Manifest
    job: JobInfo
    frames: tuple[FrameInfo, ...]


@frozen(kw_only=True)
class Entry:
    """A file of an archive, and where its bytes are."""

    name: str
    path: Path
    size: int


def entries(
    about: About, blob: Callable[[str], Path], result: Callable[[str], Path], log: Callable[[int], Path]
) -> Iterator[Entry]:
    """What goes after ``job.json``. Raises FileNotFoundError for what is not there any more."""
    for file in about.manifest.files:
        yield _entry(f"{_SOURCES}/{file.path}", blob(file.sha256))
    for frame in about.frames:
        if frame.sha256:
            yield _entry(_result_name(frame.frame), result(frame.sha256))
        path = log(frame.frame)
        if path.is_file():
            yield _entry(f"{_LOGS}/{frame.frame:04}.log", path)


def blocks(about: About, files: list[Entry]) -> Iterator[bytes]:
    """The archive, a block at a time. Raises OSError."""
    text = codec.dumps(about).encode()
    yield _head(ABOUT, len(text)) + text + _padding(len(text))
    for entry in files:
        yield _head(entry.name, entry.size)
        with entry.path.open("rb") as file:
            left = entry.size
            while left and (block := file.read(min(4 * TRANSFER_BLOCK, left))):
                left -= len(block)
                yield block
        yield _padding(entry.size)
    yield _END


def about(path: Path) -> About:
    """What is archived. Raises BadRequestError if the file is no archive of ours."""
    try:
        with tarfile.open(path, "r:") as archive:
            file = archive.extractfile(ABOUT)
            text = file.read(MAX_JSON_BODY) if file is not None else b""
    except (tarfile.TarError, KeyError, OSError) as error:
        raise BadRequestError(f"body: it is no archive of a job: {error}") from error
    found: About = codec.loads(text, About)
    if found.job.state not in ENDED or found.job.id != found.manifest.id:
        raise BadRequestError(f"body: {ABOUT} is not that of a job that is over")
    return found


def contents(about: About) -> Iterator[tuple[str, str, bool]]:
    """The name in the archive and the SHA-256 of each source and result; the last is True for results."""
    for file in about.manifest.files:
        yield f"{_SOURCES}/{file.path}", file.sha256, False
    for frame in about.frames:
        if frame.sha256:
            yield _result_name(frame.frame), frame.sha256, True


async def member(archive: tarfile.TarFile, name: str) -> AsyncIterator[bytes]:
    """The bytes of one file of the archive. Raises BadRequestError if it is not there."""
    try:
        file = archive.extractfile(name)  # never a path on this disk: what is read is stored by its SHA-256
    except KeyError:
        file = None
    if file is None:
        raise BadRequestError(f"body: the archive has no {name}")
    try:
        while block := await asyncio.to_thread(file.read, 4 * TRANSFER_BLOCK):
            yield block
    except tarfile.TarError as error:
        raise BadRequestError(f"body: the archive is damaged at {name}: {error}") from error


def _result_name(frame: int) -> str:
    return f"{_RESULTS}/{frame:04}.exr"


def _entry(name: str, path: Path) -> Entry:
    return Entry(name=name, path=path, size=path.stat().st_size)


def length(about: About, files: list[Entry]) -> int:
    """Bytes of the whole archive."""
    text = codec.dumps(about).encode()
    sizes = [(ABOUT, len(text)), *((entry.name, entry.size) for entry in files)]
    return sum(len(_head(name, size)) + size + len(_padding(size)) for name, size in sizes) + len(_END)


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
