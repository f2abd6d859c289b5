"""A farm goes into rows and comes back as it was."""

import asyncio
from pathlib import Path

from coordinator.protocol.states import FrameState, JobState
from coordinator.scheduling import events as e
from coordinator.store import records
from coordinator.store.database import Database

from ..scheduling.farms import BLOB, FarmUnderTest, manifest

ANNA = "a" * 32


class StoredFarm(FarmUnderTest):
    """Every event's decisions are written, as the service does."""

    database: Database

    def feed(self, event_type: type, **fields: object) -> list[e.Decision]:
        decisions = super().feed(event_type, **fields)
        self.database.write(records.statements(self.farm, decisions))
        return decisions


async def test_a_farm_comes_back(tmp_path: Path) -> None:
    database = Database(tmp_path / "farm.sqlite")
    before = StoredFarm()
    before.database = database
    before.join(ANNA, features=("denoiser",))
    job = manifest("1-8", chunk=2)
    before.job(job)
    before.start(1, 1)
    before.done(1, 1, seconds=0.5)
    before.start(1, 2)  # lease 2: frames 3 and 4
    before.fail(2, 3, "no memory")
    other = manifest("5", name="other")
    before.job(other, frozenset({BLOB}))
    await asyncio.to_thread(database.close)

    database = Database(tmp_path / "farm.sqlite")
    after = records.load(database, has_blob=lambda sha: False)
    old = before.farm.jobs[job.id]
    new = after.jobs[job.id]
    for name in ("manifest", "state", "reason", "blender", "created", "started", "finished", "order", "done_by"):
        assert getattr(new, name) == getattr(old, name), name
    assert new.frames.counts == old.frames.counts and new.attempts == {3: 1}
    assert {n: (x.slave, x.frames) for n, x in after.leases.items()} == {
        n: (x.slave, x.frames) for n, x in before.farm.leases.items()
    }
    assert after.next_lease == before.farm.next_lease and after.next_order == before.farm.next_order
    assert after.slaves[ANNA].features == {"denoiser"} and not after.slaves[ANNA].connected
    assert after.jobs[other.id].state is JobState.WAITING and after.jobs[other.id].missing == {BLOB}

    infos = {info.frame: info for info in records.frames(after, database, job.id)}
    assert infos[1].state is FrameState.DONE and infos[1].seconds == 0.5 and infos[1].slave == ANNA
    assert infos[3].error == "no memory" and infos[3].attempts == 1
    assert records.frame(after, database, job.id, 8).state is FrameState.QUEUED
    await asyncio.to_thread(database.close)


async def test_a_stored_result_is_never_written_over(tmp_path: Path) -> None:
    database = Database(tmp_path / "farm.sqlite")
    farm = StoredFarm()
    farm.database = database
    farm.join(ANNA)
    job = manifest("1")
    farm.job(job)
    farm.done(1, 1)
    late = e.FrameMoved(job=job.id, frame=1, state=FrameState.QUEUED, reason="late")
    await database.write(records.statements(farm.farm, [late]))
    assert records.frame(farm.farm, database, job.id, 1).state is FrameState.DONE
    await asyncio.to_thread(database.close)
