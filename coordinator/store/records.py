"""Between the farm in memory and rows: decisions become statements, rows become a farm again."""

import json
import sqlite3
from collections.abc import Callable, Iterable

from ..protocol import codec
from ..protocol.frames import FrameRange
from ..protocol.jobs import FrameInfo, Manifest
from ..protocol.states import FrameState, JobState
from ..scheduling import events as e
from ..scheduling.farm import Farm
from ..scheduling.frames import FrameTable
from ..scheduling.leases import hold
from ..scheduling.models import Job, Lease, Slave
from ..scheduling.policy import Policy
from .database import Database, Statement


def statements(farm: Farm, decisions: Iterable[e.Decision]) -> list[Statement]:
    """What has to be durable before anybody is told of these decisions."""
    found: list[Statement] = []
    for decision in decisions:
        match decision:
            case e.JobMoved():
                found.append(_job(farm.jobs[decision.job]))
            case e.FrameMoved():
                found.append(_frame(decision))
            case e.Granted():
                # Never used twice, also after a crash: a fencing number is worth nothing otherwise.
                found.append(Statement("set_meta", {"key": "next_lease", "value": str(decision.lease + 1)}))
            case e.SlaveMoved(persist=True):
                found.append(_slave(farm.slaves[decision.slave]))
    return found


def _job(job: Job) -> Statement:
    return Statement(
        "put_job",
        {
            "id": job.id,
            "position": job.order,
            "manifest": codec.dumps(job.manifest),
            "state": job.state,
            "reason": job.reason,
            "priority": job.priority,
            "max_slaves": job.max_slaves,
            "blender": job.blender,
            "created": job.created,
            "started": job.started,
            "finished": job.finished,
        },
    )


def _frame(moved: e.FrameMoved) -> Statement:
    failed = moved.state is FrameState.ERROR or (moved.state is FrameState.QUEUED and moved.slave)
    return Statement(
        "put_frame",
        {
            "job": moved.job,
            "frame": moved.frame,
            "state": moved.state,
            "attempts": moved.attempts,
            "slave": moved.slave,
            "lease": moved.lease,
            "seconds": moved.seconds,
            "sha256": moved.sha256,
            "size": moved.size,
            "error": moved.reason if failed else "",
        },
    )


def _slave(slave: Slave) -> Statement:
    return Statement(
        "put_slave",
        {
            "id": slave.id,
            "name": slave.name,
            "host": slave.host,
            "blender": slave.blender,
            "threads": slave.threads,
            "tags": json.dumps(sorted(slave.tags)),
            "memory": slave.memory,
            "features": json.dumps(sorted(slave.features)),
            "last_seen": slave.last_seen,
        },
    )


def load(database: Database, has_blob: Callable[[str], bool], policy: Policy | None = None) -> Farm:
    """The farm as it was: leases live on for their slaves to come back to, nobody is connected."""
    farm = Farm(policy=policy or Policy())
    for row in database.read("get_meta", key="next_lease"):
        farm.next_lease = int(row["value"])
    for row in database.read("all_slaves"):
        farm.slaves[row["id"]] = Slave(
            id=row["id"],
            name=row["name"],
            host=row["host"],
            blender=row["blender"],
            threads=row["threads"],
            tags=frozenset(json.loads(row["tags"])),
            memory=row["memory"],
            features=frozenset(json.loads(row["features"])),
            last_seen=row["last_seen"],
        )
    for row in database.read("all_jobs"):
        manifest = codec.loads(row["manifest"], Manifest)
        job = Job(
            manifest=manifest,
            id=row["id"],
            order=row["position"],
            created=row["created"],
            frames=FrameTable(FrameRange.parse(manifest.frames), manifest.order),
            state=JobState(row["state"]),
            reason=row["reason"],
            priority=row["priority"],
            max_slaves=row["max_slaves"],
            blender=row["blender"],
            started=row["started"],
            finished=row["finished"],
            missing={sha for sha in manifest.blobs if not has_blob(sha)},
        )
        farm.jobs[job.id] = job
        _load_frames(farm, job, database)
        job.wait_for(job.missing)
        farm.add(job)
    return farm


def _load_frames(farm: Farm, job: Job, database: Database) -> None:
    states: dict[int, FrameState] = {}
    for row in database.read("frames_of_job", job=job.id):
        frame, slave = row["frame"], farm.slaves.get(row["slave"])
        states[frame] = state = FrameState(row["state"])
        if row["attempts"]:
            job.attempts[frame] = row["attempts"]
        if state is FrameState.DONE:
            job.measured(row["seconds"], row["slave"])
            if slave is not None:
                job.done_by[slave.name] = job.done_by.get(slave.name, 0) + 1
        elif state is FrameState.DISPATCHED and slave is not None:
            lease = farm.leases.get(row["lease"])
            if lease is None:
                lease = Lease(id=row["lease"], job=job.id, slave=slave.id, frames=set(), unstarted=set())
                hold(farm, lease)
                slave.leases.sort()
                farm.recount(slave)
            # Nobody knows which of them were started; "all" only means that no more is sent until the next one is.
            lease.frames.add(frame)
            lease.unstarted.add(frame)
            lease.given += (frame,)
    job.dispatched = len(states)
    job.frames.restore(states)


def frames(farm: Farm, database: Database, job: str) -> list[FrameInfo]:
    """Every frame of the job that was dispatched at least once."""
    return [_frame_info(farm, row) for row in database.read("frames_of_job", job=job)]


def frame(farm: Farm, database: Database, job: str, number: int) -> FrameInfo:
    """One frame. Raises KeyError if the job does not have it."""
    rows = database.read("one_frame", job=job, frame=number)
    if rows:
        return _frame_info(farm, rows[0])
    return FrameInfo(frame=number, state=farm.jobs[job].frames.state(number))


def _frame_info(farm: Farm, row: sqlite3.Row) -> FrameInfo:
    slave = farm.slaves.get(row["slave"])
    return FrameInfo(
        frame=row["frame"],
        state=FrameState(row["state"]),
        attempts=row["attempts"],
        slave=slave.name if slave else "",
        seconds=row["seconds"],
        sha256=row["sha256"],
        size=row["size"],
        error=row["error"],
    )
