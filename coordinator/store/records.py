"""Between the farm in memory and rows: decisions become statements, rows become a farm again."""

import json
import logging
import re
import sqlite3
from collections.abc import Callable, Iterable

from ..errors import BadRequestError, NetrenderError
from ..protocol import codec, history
from ..protocol.frames import FrameRange
from ..protocol.jobs import FrameInfo, Manifest
from ..protocol.limits import check_tags
from ..protocol.states import FrameState
from ..scheduling import events as e
from ..scheduling.farm import Farm
from ..scheduling.frames import FrameTable
from ..scheduling.leases import frame_moved, hold
from ..scheduling.models import Job, Lease, Slave
from ..scheduling.policy import Policy
from . import rows
from .database import Database, Statement

log = logging.getLogger(__name__)


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
    """The farm as it was: leases live on for their slaves to come back to, nobody is connected.

    Raises StorageError that names the row which is wrong: a farm that begins with it would be another one. Only the
    row of a slave is left out then, because it comes back by itself when the slave does.
    """
    farm = Farm(policy=policy or Policy())
    for lost in database.read("lost_frames"):
        raise rows.wrong_frame(database, lost, "there is no such job")
    for row in database.read("get_meta", key="next_lease"):
        farm.next_lease = _next_lease(database, row["value"])
    for row in database.read("all_slaves"):
        try:
            slave = _load_slave(row)
        except NetrenderError as error:
            log.warning("%s", rows.left_out(database, row, error.message))
        else:
            farm.slaves[slave.id] = slave
    for row in database.read("all_jobs"):
        _load_job(farm, database, row, has_blob)
    return farm


def _next_lease(database: Database, text: object) -> int:
    if not isinstance(text, str) or not re.fullmatch(r"[1-9][0-9]{0,17}", text, re.ASCII):
        raise rows.wrong_meta(database, "next_lease", f"{str(text)[:40]!r} is not the number of a lease")
    return int(text)


def _load_slave(row: sqlite3.Row) -> Slave:
    found = rows.read(row, rows.SlaveRow)
    tags: tuple[str, ...] = codec.loads(found.tags, tuple[str, ...])
    features: tuple[str, ...] = codec.loads(found.features, tuple[str, ...])
    check_tags(tags)
    return Slave(
        id=found.id,
        name=found.name,
        host=found.host,
        blender=found.blender,
        threads=found.threads,
        tags=frozenset(tags),
        memory=found.memory,
        features=frozenset(features),
        last_seen=found.last_seen,
    )


def _load_job(farm: Farm, database: Database, row: sqlite3.Row, has_blob: Callable[[str], bool]) -> None:
    found = rows.job(database, row)
    try:
        manifest = codec.loads(found.manifest, Manifest)
        if manifest.id != found.id:
            raise BadRequestError(f"the manifest is that of job {manifest.id}")
    except NetrenderError as error:
        raise rows.wrong_job(database, row, f"manifest: {error.message}") from error
    job = Job(
        manifest=manifest,
        id=found.id,
        order=found.position,
        created=found.created,
        frames=FrameTable(FrameRange.parse(manifest.frames), manifest.order),
        state=found.state,
        reason=found.reason,
        priority=found.priority,
        max_slaves=found.max_slaves,
        blender=found.blender,
        started=found.started,
        finished=found.finished,
        missing={sha for sha in manifest.blobs if not has_blob(sha)},
    )
    farm.jobs[job.id] = job
    _load_frames(farm, job, database)
    try:
        history.check_job(job.id, job.state, job.blender, job.started, manifest, job.frames.counts)
    except NetrenderError as error:
        raise rows.wrong_job(database, row, error.message) from error
    job.wait_for(job.missing)
    farm.add(job)


def _load_frames(farm: Farm, job: Job, database: Database) -> None:
    states: dict[int, FrameState] = {}
    discard = job.manifest.discard
    ownerless: list[int] = []
    for row in rows.frames(database, database.read("frames_of_job", job=job.id)):
        frame, state, slave = row["frame"], FrameState(row["state"]), farm.slaves.get(row["slave"])
        try:
            history.check_frame(frame, state, row["seconds"], row["sha256"], row["size"], discard=discard)
            if frame not in job.frames.range:
                raise BadRequestError("it is not one of the job's frames")
            if row["lease"] >= farm.next_lease:
                raise BadRequestError(f"lease {row['lease']} was not given out yet: it or next_lease in meta is wrong")
            if state is FrameState.DISPATCHED and slave is not None:
                _load_lease(farm, job, slave, row["lease"], frame)
        except NetrenderError as error:
            raise rows.wrong_frame(database, row, error.message) from error
        if state is FrameState.DISPATCHED and slave is None:  # nobody could bring it
            state = FrameState.QUEUED
            ownerless.append(frame)
        states[frame] = state
        if row["attempts"]:
            job.attempts[frame] = row["attempts"]
        if state is FrameState.DONE:
            job.measured(row["seconds"], row["slave"])
            if slave is not None:
                job.done_by[slave.name] = job.done_by.get(slave.name, 0) + 1
    job.dispatched = len(states)
    job.frames.restore(states)
    if ownerless:
        log.warning("job %s: %d frames are queued again: the slave that had them is not known", job.id, len(ownerless))
        moved = [frame_moved(job, frame, "its slave is not known") for frame in ownerless]
        database.write_then(statements(farm, moved), lambda failure: None)  # if it fails, the next start does it again


def _load_lease(farm: Farm, job: Job, slave: Slave, number: int, frame: int) -> None:
    """Raises BadRequestError for a lease that is another's."""
    if number < 1:
        raise BadRequestError(f"it is dispatched under lease {number}, which is none")
    lease = farm.leases.get(number)
    if lease is None:
        lease = Lease(id=number, job=job.id, slave=slave.id, frames=set(), unstarted=set())
        hold(farm, lease)
        slave.leases.sort()
        farm.recount(slave)
    if (lease.job, lease.slave) != (job.id, slave.id):
        raise BadRequestError(f"lease {number} is of job {lease.job} and slave {lease.slave}")
    # Nobody knows which of them were started; "all" only means that no more is sent until the next one is.
    lease.frames.add(frame)
    lease.unstarted.add(frame)
    lease.given += (frame,)


def frames(farm: Farm, database: Database, job: str) -> list[FrameInfo]:
    """Every frame of the job that was dispatched at least once. Raises StorageError."""
    found = database.read("frames_of_job", job=job)
    return [_frame_info(farm, database, row) for row in rows.frames(database, found)]


def frame(farm: Farm, database: Database, job: str, number: int) -> FrameInfo:
    """One frame. Raises KeyError if the job does not have it, StorageError if its row is wrong."""
    state = farm.jobs[job].frames.state(number)
    found = rows.frames(database, database.read("one_frame", job=job, frame=number))
    return _frame_info(farm, database, found[0]) if found else FrameInfo(frame=number, state=state)


def _frame_info(farm: Farm, database: Database, row: sqlite3.Row) -> FrameInfo:
    slave, discard = farm.slaves.get(row["slave"]), farm.jobs[row["job"]].manifest.discard
    found = FrameInfo(
        frame=row["frame"],
        state=FrameState(row["state"]),
        attempts=row["attempts"],
        slave=slave.name if slave else "",
        seconds=row["seconds"],
        sha256=row["sha256"],
        size=row["size"],
        error=row["error"],
    )
    try:
        history.check_frame(found.frame, found.state, found.seconds, found.sha256, found.size, discard=discard)
    except NetrenderError as error:
        raise rows.wrong_frame(database, row, error.message) from error
    return found
