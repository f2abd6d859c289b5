"""SQLite behind its writer thread."""

import asyncio
import math
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coordinator import __version__
from coordinator.errors import NetrenderError, StorageError
from coordinator.store.database import Database, Failure, Statement, Trouble, connect


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "test.sqlite")
    yield database
    await asyncio.to_thread(database.close)


def meta(key: str, value: str) -> Statement:
    return Statement("set_meta", {"key": key, "value": value})


async def test_what_was_written_can_be_read(database: Database) -> None:
    await database.write([meta("a", "1"), meta("a", "2")])
    assert [row["value"] for row in database.read("get_meta", key="a")] == ["2"]


async def test_many_writes_share_a_commit_and_end_in_order(database: Database) -> None:
    order: list[int] = []
    commits: list[str] = []
    database._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    writes = [database.write([meta("n", str(n))]) for n in range(500)]
    for n, write in enumerate(writes):
        write.add_done_callback(lambda _, n=n: order.append(n))  # type: ignore[misc]
    await asyncio.gather(*writes)
    assert order == list(range(500))
    assert [row["value"] for row in database.read("get_meta", key="n")] == ["499"]
    assert len(commits) < 500


async def test_a_write_that_fails_is_told_and_leaves_nothing_half_written(database: Database) -> None:
    with pytest.raises(NetrenderError, match=r"test\.sqlite does not take"):
        await database.write([meta("a", "1"), Statement("set_meta", {"key": "b", "value": None})])
    assert database.read("get_meta", key="a") == []
    with pytest.raises(NetrenderError, match=r"does not take"):  # it was made on the assumption that the first is there
        await database.write([meta("a", "2")])
    database.renew()
    await database.write([meta("a", "3")])
    assert len(database.read("get_meta", key="a")) == 1


async def test_writes_before_the_one_that_fails_are_kept(database: Database) -> None:
    """They may share its commit."""
    writes = [database.write([meta("n", str(n) if n != 3 else None)]) for n in range(6)]  # type: ignore[arg-type]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [outcome is None for outcome in outcomes] == [True] * 3 + [False] * 3
    assert [row["value"] for row in database.read("get_meta", key="n")] == ["2"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
async def test_what_json_cannot_hold_is_a_fault_of_the_rows(database: Database, value: object) -> None:
    failures: list[Failure | None] = []
    database.write_then([meta("a", value)], failures.append)  # type: ignore[arg-type]
    with pytest.raises(NetrenderError):
        await database.write(())
    assert failures[0] is not None and failures[0].trouble is Trouble.ROWS


async def test_a_full_disk_is_told_apart_and_may_pass(database: Database) -> None:
    await database.write([meta("a", "1")])
    await asyncio.to_thread(database.flush)
    database._writer.execute("PRAGMA max_page_count = 1")  # no more pages than it has
    failures: list[Failure | None] = []
    database.write_then([meta("b", "x" * 100_000)], failures.append)
    with pytest.raises(StorageError, match=r"test\.sqlite cannot be written: .*full"):
        await database.write(())
    assert failures[0] is not None and failures[0].trouble is Trouble.DISK
    database._writer.execute("PRAGMA max_page_count = 100000")
    database.renew()
    database.probe()
    await database.write([meta("b", "x" * 100_000)])
    assert len(database.read("get_meta", key="b")) == 1


async def test_a_probe_that_finds_no_room_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.path = database.path.parent / "gone" / "test.sqlite"
    with pytest.raises(StorageError, match="cannot be written"):
        database.probe()


CHILD = """
import asyncio, pathlib, sys
from coordinator.store.database import Database, Statement
async def main():
    database = Database(pathlib.Path(sys.argv[1]))
    n = 0
    while True:
        n += 1
        await database.write([Statement("set_meta", {"key": "n", "value": str(n)})])
        print(n, flush=True)
asyncio.run(main())
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "killed.sqlite"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            if int(line) >= 20:
                child.kill()
                acknowledged = [int(line), *map(int, child.stdout.read().split())][-1]
                break
    child.wait()
    connection = connect(path)
    (value,) = connection.execute("SELECT value FROM meta WHERE key = 'n'").fetchone()
    connection.close()
    assert int(value) >= acknowledged


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "later.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StorageError, match=rf"newer Netrender.*Netrender {re.escape(__version__)}"):
        connect(path)


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    path.write_bytes(b"my precious text" * 100)
    with pytest.raises(StorageError, match=r"other\.sqlite"):
        connect(path)
    assert path.read_bytes() == b"my precious text" * 100
