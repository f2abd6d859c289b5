"""SQLite behind one writer thread that commits everything that waits in one transaction (group commit)."""

import asyncio
import json
import logging
import queue
import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, frozen

from ..errors import StorageError

log = logging.getLogger(__name__)

_HERE = Path(__file__).parent
_ORDER = ("put_job", "put_slave", "put_frame", "set_meta")  # in which the statements of one transaction run
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@frozen
class Statement:
    """A query of queries.sql by its name, with its parameters."""

    query: str
    parameters: dict[str, Any]


OnCommitted = Callable[[StorageError | None], None]  # called on the event loop's thread, with what went wrong


@define
class _Batch:
    statements: Sequence[Statement]
    on_committed: OnCommitted


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
        raise StorageError(f"database {path}: {error}; is the folder writable, and is it Netrender's?") from error
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    migrations = sorted((_HERE / "migrations").glob("*.sql"))
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise StorageError(f"database {path} was written by a newer Netrender (schema {version}); update this one")
    for number, migration in enumerate(migrations[version:], start=version + 1):
        script = migration.read_text(encoding="utf-8")
        connection.executescript(f"BEGIN; {script}; PRAGMA user_version = {number}; COMMIT;")


class Database:
    """Reads at once, writes through the writer thread; belongs to the event loop that it was made in."""

    def __init__(self, path: Path) -> None:
        self._queries = load_queries()
        self._path = path
        self._writer = connect(path)
        self._reader = connect(path)
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="netrender-database")
        self._thread.start()

    def read(self, query: str, **parameters: Any) -> list[sqlite3.Row]:
        """Rows of a query that touches few of them: it runs on the event loop's thread."""
        return self._reader.execute(self._queries[query], parameters).fetchall()

    def write(self, statements: Sequence[Statement]) -> asyncio.Future[None]:
        """Queue the statements; the future is done once they are durable. Futures are done in the order of calls."""
        committed = self._loop.create_future()
        self.write_then(statements, partial(_settle, committed))
        return committed

    def write_then(self, statements: Sequence[Statement], on_committed: OnCommitted) -> None:
        """The same without a future, which costs as much as all the rest."""
        self._waiting.put(_Batch(statements, on_committed))

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
        failure: StorageError | None = None
        rows: dict[str, list[dict[str, Any]]] = {}
        for batch in batches:
            for statement in batch.statements:
                rows.setdefault(statement.query, []).append(statement.parameters)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            # The order within a table is kept, and frames come after the job that they refer to.
            for query in sorted(rows, key=_ORDER.index):
                self._writer.execute(self._queries[query], {"rows": json.dumps(rows[query])})
            self._writer.execute("COMMIT")
        except Exception as error:  # of any kind: a writer thread that dies would leave everybody waiting
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            failure = StorageError(f"database {self._path} cannot be written: {error}; is the disk full?")
            failure.__cause__ = error
            log.error("%s", failure)
        self._loop.call_soon_threadsafe(_tell, batches, failure)


def _tell(batches: list[_Batch], failure: StorageError | None) -> None:
    for batch in batches:
        batch.on_committed(failure)


def _settle(committed: "asyncio.Future[None]", failure: StorageError | None) -> None:
    if committed.cancelled():
        return
    if failure is None:
        committed.set_result(None)
    else:
        committed.set_exception(failure)
