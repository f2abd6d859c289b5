"""Rows of the database, checked as strictly as what arrives in a request: a disk, or a person, may have changed them.

A row that is wrong is a StorageError that names it, and what to do; nothing of it reaches the farm.
"""

import sqlite3
from typing import Any, TypeVar

import attrs
from attrs import field, frozen

from ..errors import NetrenderError, StorageError
from ..protocol import codec, limits
from ..protocol.frames import FIRST_FRAME, LAST_FRAME
from ..protocol.limits import MAX_SECONDS
from ..protocol.states import FrameState, JobState
from .database import REMEDY, Database

T = TypeVar("T")

_A_POSITION = limits.between(1, 10**15)  # counted up by one for every job


@frozen(kw_only=True)
class JobRow:
    id: str = field(validator=limits.A_JOB)
    position: int = field(validator=_A_POSITION)
    manifest: str
    state: JobState
    reason: str = field(converter=limits.readable)
    blender: str = field(validator=limits.A_SERIES_OR_NONE)
    created: float = field(validator=limits.A_TIME)
    started: float | None = field(validator=limits.either(limits.A_TIME))
    finished: float | None = field(validator=limits.either(limits.A_TIME))
    priority: int = field(validator=limits.A_PRIORITY)
    max_slaves: int = field(validator=limits.A_COUNT)


@frozen(kw_only=True)
class FrameRow:
    job: str = field(validator=limits.A_JOB)
    frame: int = field(validator=limits.A_FRAME)
    state: FrameState
    attempts: int = field(validator=limits.A_COUNT)
    slave: str = field(validator=limits.A_SLAVE_OR_NONE)
    lease: int = field(validator=limits.A_LEASE)
    seconds: float | None = field(validator=limits.either(limits.A_RENDER_TIME))
    sha256: str = field(validator=limits.A_RESULT)
    size: int = field(validator=limits.A_SIZE)
    error: str


@frozen(kw_only=True)
class SlaveRow:
    id: str = field(validator=limits.A_SLAVE)
    name: str = field(validator=limits.A_NAME)
    host: str = field(validator=limits.A_HOST)
    blender: str = field(validator=limits.A_VERSION)
    threads: int = field(validator=limits.A_THREAD_COUNT)
    features: str  # JSON, as are the tags
    last_seen: float = field(validator=limits.A_TIME)
    tags: str
    memory: int = field(validator=limits.A_SIZE)


def read(row: sqlite3.Row, cls: type[T]) -> T:
    """Raises BadRequestError, or what the class itself raises, naming the column."""
    found: T = codec.structure({name: row[name] for name in row.keys()}, cls)  # noqa: SIM118  # of a row, not a dict
    return found


def job(database: Database, row: sqlite3.Row) -> JobRow:
    try:
        return read(row, JobRow)
    except NetrenderError as error:
        raise wrong_job(database, row, error.message) from error


def frames(database: Database, found: list[sqlite3.Row]) -> list[sqlite3.Row]:
    """The rows themselves, every one of which ``FrameRow`` takes: there may be a million. Raises StorageError."""
    if not _sound(found):
        for row in found:
            try:
                read(row, FrameRow)
            except NetrenderError as error:
                raise wrong_frame(database, row, error.message) from error
    return found


def _sound(found: list[sqlite3.Row]) -> bool:
    """Whether ``FrameRow`` takes every row, looked at column by column: ten times faster than one row after the other.

    What is in doubt is not sound.
    """
    if not found:
        return True
    columns = dict(zip(found[0].keys(), zip(*found, strict=True), strict=True))
    if set(columns) != set(attrs.fields_dict(FrameRow)):
        return False
    seconds = [value for value in columns.pop("seconds") if value is not None]
    if seconds and not (set(map(type, seconds)) <= {int, float} and 0 <= min(seconds) <= max(seconds) <= MAX_SECONDS):
        return False
    for name, least, most in _NUMBERS:
        values = columns.pop(name)
        if set(map(type, values)) != {int} or not least <= min(values) <= max(values) <= most:
            return False
    if any(set(map(type, values)) != {str} for values in columns.values()):
        return False
    return (
        set(columns["state"]) <= set(FrameState)
        and all(map(limits.JOB_ID.fullmatch, set(columns["job"])))
        and all(map(limits.SLAVE_ID.fullmatch, filter(None, set(columns["slave"]))))
        and all(map(limits.SHA256.fullmatch, filter(None, columns["sha256"])))
        and all(text.isprintable() for text in set(columns["error"]))
    )


_NUMBERS = (
    ("frame", FIRST_FRAME, LAST_FRAME),
    ("attempts", 0, limits.MAX_COUNT),
    ("lease", 0, limits.MAX_LEASE),
    ("size", 0, limits.MAX_BYTES),
)


def wrong_job(database: Database, row: sqlite3.Row, why: str) -> StorageError:
    """The row of a job cannot be left out: its frames and its place would be another's."""
    what, where = _key(row, "id"), _where(row, "id")
    gone = f"DELETE FROM frames WHERE job = {_quoted(_value(row, 'id'))}; DELETE FROM jobs WHERE {where}"
    remedy = f"remove the job ({gone}) and send it again"
    return StorageError(f"database {database.path}: table jobs, row {what}: {_reason(why)}; {REMEDY}, or {remedy}")


def wrong_frame(database: Database, row: sqlite3.Row, why: str) -> StorageError:
    """The row of a frame cannot be left out: a result that it has would never be found again, nor replaced."""
    what, where = _key(row, "job", "frame"), _where(row, "job", "frame")
    remedy = f"remove the row (DELETE FROM frames WHERE {where}), and the frame is rendered again"
    return StorageError(f"database {database.path}: table frames, row {what}: {_reason(why)}; {REMEDY}, or {remedy}")


def left_out(database: Database, row: sqlite3.Row, why: str) -> str:
    """The row of a slave may be missing: the slave says again what it is when it comes."""
    what, where = _key(row, "id"), _where(row, "id")
    return (
        f"database {database.path}: table slaves, row {what} is left out: {_reason(why)}; the slave comes back by "
        f"itself, frames that it has are queued again. Remove the row with: DELETE FROM slaves WHERE {where}"
    )


def wrong_meta(database: Database, key: str, why: str) -> StorageError:
    return StorageError(f"database {database.path}: table meta, row key={key!r}: {_reason(why)}; {REMEDY}")


def _reason(text: str) -> str:
    return text.removeprefix("body: ")  # of a request; here it is the row


def _key(row: sqlite3.Row, *columns: str) -> str:
    return " ".join(f"{name}={_short(_value(row, name))}" for name in columns)


def _where(row: sqlite3.Row, *columns: str) -> str:
    return " AND ".join(f"{name} = {_quoted(_value(row, name))}" for name in columns)


def _value(row: sqlite3.Row, name: str) -> Any:
    return row[name] if name in row.keys() else None  # noqa: SIM118  # of a row, not a dict


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _quoted(value: Any) -> str:
    """As SQL; a text that is too long to be read is given by its beginning."""
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)[:80].replace("'", "''")
    return f"'{text}'"
