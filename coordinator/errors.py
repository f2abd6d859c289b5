"""The one tree of errors that cross a boundary: between processes, threads and the command line.

Every class has a stable ``code``, the HTTP status that carries it, and the exit code of a command that ends with it.
The server answers ``{"code", "message"}``; ``from_code`` raises the same class on the other side. A message names
the thing that is wrong and what to do about it. ``fault`` says whose fault it is where a slave cannot render for it.
"""

import errno
from typing import ClassVar

from .protocol.states import Fault


class NetrenderError(Exception):
    """Root of the tree. Raised as itself only for a code that this version does not know."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    fault: ClassVar[Fault] = Fault.FRAME

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UsageError(NetrenderError):
    """The user asked for something that cannot be: wrong input, found before anything was sent or changed."""

    code = "usage"
    http_status = 400
    exit_code = 2


class BadRequestError(UsageError):
    """A message with a wrong, missing or unknown field; the text names the field."""

    code = "bad-request"


class BadFramesError(UsageError):
    """A frame range that is empty, reversed, malformed or too long."""

    code = "bad-frames"


class BadPathError(UsageError):
    """A path that would leave the job's own folder, or that some operating system cannot hold."""

    code = "bad-path"


class BadSceneError(UsageError):
    """The .blend cannot be rendered as asked: unreadable, no camera, no such scene, view layer or engine."""

    code = "bad-scene"


class MissingFilesError(UsageError):
    """Files that the .blend refers to are not there."""

    code = "missing-files"


class UnauthorizedError(NetrenderError):
    """No token, or one that the coordinator does not know."""

    code = "unauthorized"
    http_status = 401
    exit_code = 2


class NotFoundError(NetrenderError):
    """No such job, frame, blob or path."""

    code = "not-found"
    http_status = 404
    exit_code = 2


class ConflictError(NetrenderError):
    """The thing is in a state in which this cannot be done."""

    code = "conflict"
    http_status = 409


class StaleLeaseError(ConflictError):
    """A result for a lease that is not the sender's, or was revoked. Nothing was changed."""

    code = "stale-lease"


class WrongOffsetError(ConflictError):
    """An upload that does not go on where the stored part ends; ask for the offset with HEAD and resume."""

    code = "wrong-offset"


class FrameFailedError(NetrenderError):
    """The frame could not be rendered; its log says why."""

    code = "frame-failed"
    http_status = 417


class BlobMismatchError(NetrenderError):
    """Bytes that do not have the SHA-256 of their name. They were dropped."""

    code = "blob-mismatch"
    http_status = 422


class VersionMismatchError(NetrenderError):
    """The two sides speak different protocol versions; the text names both."""

    code = "version-mismatch"
    http_status = 426
    exit_code = 2


class StorageError(NetrenderError):
    """A folder that cannot be written, or a disk that is full."""

    code = "storage"
    http_status = 507
    fault = Fault.MACHINE
    room = 0  # bytes that have to be free until it is worth another try; 0 if that is not known


class UnsuitableError(NetrenderError):
    """This machine cannot render this job: it lacks an engine, a path map, room for the job's files."""

    code = "unsuitable"
    fault = Fault.JOB


class UnreachableError(NetrenderError):
    """Nothing answers at the coordinator's address."""

    code = "unreachable"
    http_status = 503
    exit_code = 2


class PortInUseError(NetrenderError):
    """Another program listens on the port."""

    code = "port-in-use"
    exit_code = 2


class BlenderNotFoundError(UsageError):
    """No Blender to render with, or one older than 4.2."""

    code = "no-blender"
    fault = Fault.MACHINE


class RendererError(NetrenderError):
    """The renderer could not do what it was told, or ended."""

    code = "renderer"


class RendererStartError(RendererError):
    """The renderer does not start, or is another Blender than before."""

    code = "renderer-start"
    fault = Fault.MACHINE


class MemoryShortError(RendererError):
    """The machine has not enough memory for what was to be rendered."""

    code = "memory"
    fault = Fault.JOB


class FinishedWithErrorsError(NetrenderError):
    """The job ended, and some of its frames could not be rendered."""

    code = "finished-with-errors"


# What a write fails with for what is written: a name, or a size, that the file system cannot hold. Anything else is the
# disk's, the folder's or the system's.
_OF_WHAT_IS_WRITTEN = frozenset({errno.ENAMETOOLONG, errno.EFBIG, errno.EINVAL, errno.EILSEQ, errno.ELOOP})


def cannot_write(what: str, error: OSError, remedy: str) -> NetrenderError:
    """What a write that failed means: StorageError, or UnsuitableError if it is for what was written."""
    why = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        why = f"the disk is full ({why})"
    text = f"{what}: {why}" + (f", {error.filename}" if error.filename else "")
    if error.errno in _OF_WHAT_IS_WRITTEN:
        return UnsuitableError(text)
    return StorageError(f"{text}; {remedy}")


def _subclasses(cls: type[NetrenderError]) -> list[type[NetrenderError]]:
    return [cls, *(sub for child in cls.__subclasses__() for sub in _subclasses(child))]


BY_CODE: dict[str, type[NetrenderError]] = {cls.code: cls for cls in _subclasses(NetrenderError)}


def from_code(code: str, message: str) -> NetrenderError:
    """The error that the other side raised: its own class where we know it."""
    return BY_CODE.get(code, NetrenderError)(message)
