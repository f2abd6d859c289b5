"""SQLite behind one writer thread that commits everything that waits in one transaction (group commit)."""

import asyncio
import contextlib
import json
import logging
import queue
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from .. import __version__
from ..errors import NetrenderError, StorageError

log = logging.getLogger(__name__)

REMEDY = "put back a copy of the coordinator's folder, or begin with a new one (--data)"

_HERE = Path(__file__).parent
_ORDER = ("put_job", "put_slave", "put_frame", "set_meta")  # in which the statements of one transaction run
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@frozen
class Statement:
    """A query of queries.sql by its name, with its parameters."""

    query: str
    parameters: dict[str, Any]


class Trouble(Enum):
    """Why rows were not written."""

    DISK = auto()
    """The disk is full, or cannot be written for now. The same rows can be written later."""
    ROWS = auto()
    """SQLite does not take these rows: a defect of the code that made them."""
    DAMAGE = auto()
    """The database file is damaged."""


@frozen
class Failure:
    """Rows that were not written, and all rows that were queued after them."""

    trouble: Trouble
    error: NetrenderError
    generation: int  # of the rows


OnCommitted = Callable[[Failure | None], None]  # called on the event loop's thread

# Primary result codes, https://www.sqlite.org/rescode.html. Any other one means that the rows are wrong.
_DISK = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@define
class _Batch:
    statements: Sequence[Statement]
    on_committed: OnCommitted
    generation: int
    done: threading.Event | None = field(default=None)  # set by the writer, for a thread that waits


def load_queries() -> dict[str, str]:
    """The statements of queries.sql by name."""
    parts = _NAME.split((_HERE / "queries.sql").read_text(encoding="utf-8"))
    return {name: sql.strip() for name, sql in zip(parts[1::2], parts[2::2], strict=True)}


def connect(path: Path) -> sqlite3.Connection:
    """Open the database and bring its schema up to date. Raises StorageError if it cannot be used."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives a power cut too
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, path)
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        remedy = "is its disk full, or the folder not writable?" if code in _DISK else "is the folder Netrender's?"
        raise StorageError(f"database {path}: {error}; {remedy}") from error
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    migrations = sorted((_HERE / "migrations").glob("*.sql"))
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise StorageError(
            f"database {path} was written by a newer Netrender (schema {version}); this one, Netrender {__version__}, "
            f"knows schemas up to {len(migrations)}: update Netrender here, or name another folder with --data"
        )
    for number, migration in enumerate(migrations[version:], start=version + 1):
        script = migration.read_text(encoding="utf-8")
        connection.executescript(f"BEGIN; {script}; PRAGMA user_version = {number}; COMMIT;")


class Database:
    """Reads at once, writes through the writer thread; belongs to the event loop that it was made in.

    Rows that cannot be written take all rows with them that were queued later, because these were made on the
    assumption that the first ones would be there. ``renew`` begins anew: what is written after it is tried again.
    """

    def __init__(self, path: Path) -> None:
        self._queries = load_queries()
        self.path = path
        self._writer = connect(path)
        self._reader = connect(path)
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self.generation = 1  # of what is written now
        self._failure: Failure | None = None  # the last one; the writer thread's own
        self._thread = threading.Thread(target=self._write_all, name="netrender-database")
        self._thread.start()

    def read(self, query: str, **parameters: Any) -> list[sqlite3.Row]:
        """Rows of a query that touches few of them: it runs on the event loop's thread."""
        try:
            return self._reader.execute(self._queries[query], parameters).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"database {self.path} cannot be read: {error}; {REMEDY}") from error

    def write(self, statements: Sequence[Statement]) -> asyncio.Future[None]:
        """Queue the statements; the future is done once they are durable. Futures are done in the order of calls."""
        committed = self._loop.create_future()
        self.write_then(statements, partial(_resolve, committed))
        return committed

    def write_then(self, statements: Sequence[Statement], on_committed: OnCommitted) -> None:
        """The same without a future, which costs as much as all the rest."""
        self._waiting.put(_Batch(statements, on_committed, self.generation))

    def flush(self) -> None:
        """Block until the writer thread has done with all that is queued. Only for where something went wrong."""
        done = threading.Event()
        self._waiting.put(_Batch((), _nobody_waits, self.generation, done))
        done.wait()

    def probe(self) -> None:
        """Write a page on a connection of its own. Raises StorageError if the disk does not take it."""
        try:
            with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
                rows = json.dumps([{"key": "probe", "value": secrets.token_hex(2048)}])
                connection.execute(self._queries["set_meta"], {"rows": rows})
        except sqlite3.Error as error:
            raise StorageError(f"database {self.path} cannot be written: {error}") from error

    def renew(self) -> None:
        """Forget failures: what is queued from now on does not build on what was refused."""
        self.generation += 1

    def close(self) -> None:
        """Write what waits, then close."""
        self._waiting.put(None)
        self._thread.join()
        self._writer.close()
        self._reader.close()

    def _write_all(self) -> None:
        closing = False
        while not closing:
            batches: list[_Batch] = []
            item = self._waiting.get()
            while item is not None:
                batches.append(item)
                try:
                    item = self._waiting.get_nowait()
                except queue.Empty:
                    break
            closing = item is None
            if batches:
                self._commit(batches)

    def _commit(self, batches: list[_Batch]) -> None:
        """Write the batches in one transaction, and report each on the event loop's thread, in their order."""
        earlier = self._failure
        valid = [batch for batch in batches if earlier is None or batch.generation > earlier.generation]
        kept, failure = self._keep(valid)
        refused = len(batches) - len(valid)  # the first ones, because generations only rise
        outcomes = [earlier] * refused + [None] * kept + [failure] * (len(valid) - kept)
        if failure is not None:
            self._failure = failure
            log.error("%s", failure.error.message)
        self._loop.call_soon_threadsafe(_tell, batches, outcomes)
        for batch in batches:
            if batch.done is not None:
                batch.done.set()

    def _keep(self, batches: list[_Batch]) -> tuple[int, Failure | None]:
        """Write as many of the batches as can be written; return their number, and what is wrong with the next one."""
        failure = self._try(batches)
        if failure is None:
            return len(batches), None
        if failure.trouble is not Trouble.ROWS:
            return 0, failure
        for count, batch in enumerate(batches):  # the requests of the good ones need not fail
            failure = self._try([batch])
            if failure is not None:
                return count, failure
        return len(batches), None

    def _try(self, batches: list[_Batch]) -> Failure | None:
        rows: dict[str, list[dict[str, Any]]] = {}
        for batch in batches:
            for statement in batch.statements:
                rows.setdefault(statement.query, []).append(statement.parameters)
        if not rows:
            return None
        try:
            self._roll_back()  # of a transaction that could not even be rolled back
            self._writer.execute("BEGIN IMMEDIATE")
            # The order within a table is kept, and frames come after the job that they refer to.
            for query in sorted(rows, key=_ORDER.index):
                self._writer.execute(self._queries[query], {"rows": json.dumps(rows[query], allow_nan=False)})
            self._writer.execute("COMMIT")
        except Exception as error:  # of any kind: a writer thread that dies would leave everybody waiting
            with contextlib.suppress(sqlite3.Error):
                self._roll_back()
            return self._failed(error, batches[0].generation)
        return None

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def _failed(self, error: Exception, generation: int) -> Failure:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        cause: NetrenderError
        if code in _DISK:
            trouble = Trouble.DISK
            cause = StorageError(f"database {self.path} cannot be written: {error}; is the disk full?")
        elif code in _DAMAGE:
            trouble = Trouble.DAMAGE
            cause = StorageError(f"database {self.path} is damaged: {error}; restore the folder from a backup")
        else:
            trouble = Trouble.ROWS
            cause = NetrenderError(f"database {self.path} does not take what was to be written: {error}")
        cause.__cause__ = error
        return Failure(trouble, cause, generation)


def _nobody_waits(_failure: Failure | None) -> None:
    """Take the outcome of a batch without statements."""


def _tell(batches: list[_Batch], outcomes: list[Failure | None]) -> None:
    for batch, outcome in zip(batches, outcomes, strict=True):
        batch.on_committed(outcome)


def _resolve(committed: "asyncio.Future[None]", failure: Failure | None) -> None:
    if committed.cancelled():
        return
    if failure is None:
        committed.set_result(None)
    else:
        committed.set_exception(failure.error)
