"""A database that somebody wrote into, or a disk damaged: each column of each row, one at a time, then a start."""

import asyncio
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from coordinator.constants import FRAME_ATTEMPTS
from coordinator.errors import StorageError
from coordinator.scheduling.farm import Farm
from coordinator.store import records
from coordinator.store.database import Database, connect

from ..coordinators import RunningCoordinator, running_coordinator
from ..hostile import INFINITE, VALUES, Outside
from ..slaves import FakeSlave, slave_id
from ..submissions import announce, job_info, manifest, submit

VALUES_OF_ROWS = [
    *(value for value in VALUES if isinstance(value, str | int | float | None) and value not in (INFINITE, "\ud800")),
    float("inf"),
    -float("inf"),
    2**63 - 1,
    b"bytes",
    "0" * 16,
    "[1]",
    '["a\\u0000"]',
    "{}",
    "dispatched",
    "queued",
    "finished",
]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a coordinator that was killed: one job is over, of another a slave has frames."""
    folder = tmp_path_factory.mktemp("real") / "coordinator"
    with running_coordinator(folder) as running:
        asyncio.run(_fill(running))
    connect(folder.with_name("killed") / "netrender.sqlite").close()  # what is in SQLite's own journal joins the file
    return folder


async def _fill(running: RunningCoordinator) -> None:
    async with aiohttp.ClientSession(running.url) as http, FakeSlave(running.url, "anna") as anna:
        await submit(http, manifest("1-2", chunk=1, name="over"))
        await anna.render(await anna.work())
        for _ in range(FRAME_ATTEMPTS):
            await anna.failed(await anna.work(), 2)
        await submit(http, manifest("1-4", chunk=2, name="running"))
        await anna.work()
        # As after a kill: the leases live on in what is stored.
        shutil.copytree(running.data, running.data.with_name("killed"))


def rows(path: Path) -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    """Table, column, key and value of everything that is stored."""
    keys = {"jobs": ("id",), "frames": ("job", "frame"), "slaves": ("id",), "meta": ("key",)}
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        tables = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == set(keys)
        for table, key in keys.items():
            for row in connection.execute(f"SELECT * FROM {table}").fetchall():
                for column in row.keys():  # noqa: SIM118
                    yield table, column, {name: row[name] for name in key}, row[column]
    connection.close()


def change(path: Path, table: str, column: str, key: dict[str, Any], value: Any) -> bool:
    """False if SQLite itself does not take it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")  # hundreds of times; and nothing of it has to last
    try:
        where = " AND ".join(f"{name} = :key_{name}" for name in key)
        parameters = {f"key_{name}": wanted for name, wanted in key.items()} | {"value": value}
        connection.execute(f"UPDATE {table} SET {column} = :value WHERE {where}", parameters)
        connection.commit()
    except (sqlite3.IntegrityError, OverflowError):
        return False
    finally:
        connection.close()
    return True


async def load(path: Path) -> Farm:
    database = Database(path)
    try:
        return records.load(database, lambda sha256: True)
    finally:
        await asyncio.to_thread(database.close)


async def renders(folder: Path, number: int) -> None:
    """A coordinator starts there, and an honest job is rendered."""
    job = manifest("1", name=f"honest {number}", priority=10)
    with running_coordinator(folder) as running:
        async with aiohttp.ClientSession(running.url) as http:
            accepted = await announce(http, job)
            async with FakeSlave(running.url, "honest") as slave:
                while (await job_info(http, accepted.id)).state != "finished":
                    await slave.render(await slave.work())
            for path in ("/api/jobs", "/api/slaves", *(f"/api/jobs/{one.id}/frames" for one in running.client.jobs())):
                async with http.get(path) as response:
                    assert response.status == 200, (path, await response.text())


async def test_every_column_of_every_row_made_hostile(
    real: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "coordinator")
    outside = Outside(tmp_path / "outside")
    killed, path = real.with_name("killed"), tmp_path / "changed.sqlite"
    refused, taken = 0, list[tuple[str, str, Any]]()
    for table, column, key, before in rows(killed / "netrender.sqlite"):
        for value in (*VALUES_OF_ROWS, *outside.values):
            shutil.copyfile(killed / "netrender.sqlite", path)
            if value == before or not change(path, table, column, key, value):
                continue
            try:
                farm = await load(path)
            except StorageError as error:
                refused += 1
                assert str(path) in error.message and "row" in error.message, error.message
                assert "table" in error.message and "put back a copy" in error.message, error.message
            else:
                if table == "slaves" or column == "slave":
                    assert set(farm.slaves) <= {slave_id("anna"), *([value] if isinstance(value, str) else [])}
                else:
                    taken.append((table, column, value))
    outside.check()
    assert refused > 300
    # What is not refused is another honest value: a reason, a time, a priority ...
    assert {(table, column) for table, column, _ in taken} <= {
        ("jobs", "position"),
        ("jobs", "reason"),
        ("jobs", "blender"),
        ("jobs", "created"),
        ("jobs", "started"),
        ("jobs", "finished"),
        ("jobs", "priority"),
        ("jobs", "max_slaves"),
        ("jobs", "state"),
        ("frames", "attempts"),
        ("frames", "lease"),
        ("frames", "seconds"),
        ("frames", "state"),
        ("frames", "size"),
        ("frames", "error"),
        ("frames", "frame"),
        ("meta", "value"),  # a larger number only
    }, {(table, column): value for table, column, value in taken}


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("slaves", "id", "../../x"),
        ("slaves", "blender", "newest"),
        ("slaves", "threads", 2**62),
        ("slaves", "last_seen", float("inf")),
        ("slaves", "tags", '["../x"]'),
        ("jobs", "reason", "a\nb" * 10_000),
        ("jobs", "priority", 10),
        ("jobs", "max_slaves", 2**31 - 1),
        ("jobs", "created", 1e11),
        ("frames", "error", "x" * 100_000),
        ("frames", "attempts", 2**31 - 1),
    ],
)
async def test_what_is_left_out_or_honest_does_no_harm(
    real: Path, tmp_path: Path, table: str, column: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "coordinator"
    shutil.copytree(real.with_name("killed"), folder)
    for one, other, key, _ in list(rows(folder / "netrender.sqlite")):
        if (one, other) == (table, column):
            assert change(folder / "netrender.sqlite", table, column, key, value)
    await renders(folder, 1)
    await renders(folder, 2)
    assert (table == "slaves") == any(
        "table slaves" in record.message and "is left out" in record.message for record in caplog.records
    )
    assert caplog.messages.count("job") < 100


async def test_frames_whose_slave_is_not_known_are_queued_again(real: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed.sqlite"
    shutil.copytree(real.with_name("killed"), tmp_path / "copy")
    shutil.copyfile(tmp_path / "copy" / "netrender.sqlite", path)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM slaves")
    connection.commit()
    connection.close()
    job = manifest("1-4", chunk=2, name="running").id
    for _ in range(2):  # and it stays so
        farm = await load(path)
        assert farm.jobs[job].frames.counts.queued == 4 and not farm.leases
    connection = sqlite3.connect(path)
    states = {state for (state,) in connection.execute("SELECT state FROM frames WHERE job = ?", [job])}
    connection.close()
    assert states == {"queued"}


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE frames SET lease = 99 WHERE state = 'done'", "frames"),
        ("UPDATE meta SET value = '1'", "frames"),
        ("DELETE FROM meta", "frames"),
        ("UPDATE jobs SET state = 'queued' WHERE state = 'finished'", "jobs"),
        ("UPDATE jobs SET state = 'cancelled' WHERE state = 'queued'", "jobs"),
        ("UPDATE frames SET lease = 1 WHERE state = 'dispatched'", ""),  # whose lease is over: it may be
        ("UPDATE frames SET lease = 0 WHERE state = 'dispatched'", "frames"),
        ("DELETE FROM jobs WHERE state = 'finished'", "frames"),
        ("UPDATE frames SET frame = 7 WHERE state = 'done'", "frames"),
        ("UPDATE frames SET sha256 = '' WHERE state = 'done'", "frames"),
        ("UPDATE jobs SET manifest = replace(manifest, 'scene.blend', '../../x')", "jobs"),
        ("UPDATE jobs SET manifest = replace(manifest, '\"again\":0', '\"again\":1')", "jobs"),
        ("UPDATE jobs SET manifest = CAST(x'22ff22' AS TEXT)", ""),
        ("ALTER TABLE frames RENAME COLUMN sha256 TO sum", "frames"),
        ("ALTER TABLE jobs DROP COLUMN reason", "jobs"),
        ("DROP TABLE slaves", ""),
    ],
)
async def test_rows_that_contradict_each_other(real: Path, tmp_path: Path, statement: str, table: str) -> None:
    path = tmp_path / "changed.sqlite"
    shutil.copytree(real.with_name("killed"), tmp_path / "copy")
    shutil.copyfile(tmp_path / "copy" / "netrender.sqlite", path)
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    if "lease = 1" in statement:
        assert (await load(path)).leases.keys() == {1}
        return
    with pytest.raises(StorageError) as caught:
        await load(path)
    assert str(path) in caught.value.message and f"table {table}".strip() in caught.value.message + "table"


async def test_a_row_that_is_damaged_while_the_coordinator_runs(real: Path, tmp_path: Path) -> None:
    folder = tmp_path / "coordinator"
    shutil.copytree(real, folder)
    with running_coordinator(folder) as running:
        async with aiohttp.ClientSession(running.url) as http:
            over = next(info.id for info in running.client.jobs() if info.name == "over")
            for value in ("../../x", "", 5):
                assert change(folder / "netrender.sqlite", "frames", "sha256", {"job": over, "frame": 1}, value)
                for path in ("frames", "frames/1/result", "archive"):
                    async with http.get(f"/api/jobs/{over}/{path}") as response:
                        assert response.status == 507, await response.text()
