"""A job as one tar file that anything can unpack: its files in their tree, its results and logs, and what it was."""

import asyncio
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from attrs import frozen

from ..constants import MAX_ARCHIVE_JSON, MAX_LOG, TRANSFER_BLOCK
from ..errors import BadRequestError, ConflictError, NetrenderError
from ..protocol import codec, history
from ..protocol.frames import frame_stem
from ..protocol.jobs import FrameInfo, JobInfo, Manifest
from . import tar

ABOUT = "job.json"
_SOURCES, _RESULTS, _LOGS = "sources", "results", "logs"
_END = bytes(2 * tarfile.BLOCKSIZE)


@frozen(kw_only=True)
class About:
    """The first file of an archive."""

    manifest: Manifest
    job: JobInfo
    frames: tuple[FrameInfo, ...]


# --- out --------------------------------------------------------------------------------------------------------------


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
            yield _entry(f"{_RESULTS}/{frame_stem(frame.frame)}.exr", result(frame.sha256))
        path = log(frame.frame)
        if path.is_file():
            yield _entry(f"{_LOGS}/{frame_stem(frame.frame)}.log", path)


def text(about: About) -> bytes:
    """What ``job.json`` holds. Raises ConflictError for a job that could not be restored."""
    found = codec.dumps(about).encode()
    if len(found) > MAX_ARCHIVE_JSON:
        raise ConflictError(f"job {about.job.id} has too many frames and errors for an archive; gather its frames")
    return found


def blocks(text: bytes, files: list[Entry]) -> Iterator[bytes]:
    """The archive, a block at a time. Raises OSError."""
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


def length(text: bytes, files: list[Entry]) -> int:
    """Bytes of the whole archive."""
    sizes = [(ABOUT, len(text)), *((entry.name, entry.size) for entry in files)]
    return sum(len(_head(name, size)) + size + len(_padding(size)) for name, size in sizes) + len(_END)


def _entry(name: str, path: Path) -> Entry:
    return Entry(name=name, path=path, size=path.stat().st_size)


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


# --- in ---------------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Content:
    """A source or a result that the archive must have, unless it is stored already."""

    name: str
    sha256: str
    result: bool
    member: tar.Member | None  # where it is in the archive

    @property
    def size(self) -> int:
        return 0 if self.member is None else self.member.size


@frozen(kw_only=True)
class Archive:
    """An archive that somebody sent, all of whose names and numbers are checked."""

    path: Path
    about: About
    contents: tuple[Content, ...]
    logs: dict[int, tar.Member]  # by frame

    def log(self, frame: int) -> bytes:
        """What the archive has of a frame's log; no more than a log may have."""
        member = self.logs[frame]
        with self.path.open("rb") as file:
            file.seek(member.offset)
            return file.read(min(member.size, MAX_LOG))


def read(path: Path) -> Archive:
    """What is archived. Raises BadRequestError if the file is no archive of ours, OSError if it cannot be read."""
    members = tar.members(path)
    if (head := members.get(ABOUT)) is None:
        raise BadRequestError(f"body: it is no archive of a job: it has no {ABOUT}")
    if head.size > MAX_ARCHIVE_JSON:
        raise BadRequestError(f"body: {ABOUT} has {head.size} bytes; {MAX_ARCHIVE_JSON} are taken")
    with path.open("rb") as file:
        file.seek(head.offset)
        text = file.read(head.size)
    try:
        about: About = codec.loads(text, About)
        history.check_archive(about.manifest, about.job, about.frames)
    except NetrenderError as error:
        raise BadRequestError(f"body: {ABOUT}: {error.message}") from error
    return Archive(path=path, about=about, contents=tuple(_contents(about, members)), logs=_logs(about, members))


def _contents(about: About, members: dict[str, tar.Member]) -> Iterator[Content]:
    for file in about.manifest.files:
        name = f"{_SOURCES}/{file.path}"
        yield Content(name=name, sha256=file.sha256, result=False, member=members.get(name))
    for frame in about.frames:
        if frame.sha256:
            name, member = _find(members, _RESULTS, frame.frame, ".exr")
            if member is not None and member.size != frame.size:
                raise BadRequestError(f"body: {name} has {member.size} bytes, and {ABOUT} says {frame.size}")
            yield Content(name=name, sha256=frame.sha256, result=True, member=member)


def _logs(about: About, members: dict[str, tar.Member]) -> dict[int, tar.Member]:
    found = {frame.frame: _find(members, _LOGS, frame.frame, ".log")[1] for frame in about.frames}
    return {frame: member for frame, member in found.items() if member is not None}


def _find(members: dict[str, tar.Member], folder: str, frame: int, ending: str) -> tuple[str, tar.Member | None]:
    """A frame's file, and its name; Netrender 0.1 counted the minus of a negative frame as one of the four digits."""
    name, before = (f"{folder}/{stem}{ending}" for stem in (frame_stem(frame), f"{frame:04}"))
    return name, members.get(name) or members.get(before)


async def content(path: Path, member: tar.Member) -> AsyncIterator[bytes]:
    """The bytes of one file of the archive."""
    with path.open("rb") as file:
        file.seek(member.offset)
        left = member.size
        while left and (block := await asyncio.to_thread(file.read, min(4 * TRANSFER_BLOCK, left))):
            left -= len(block)
            yield block
