"""The one service behind all handlers: load -> step -> persist -> tell."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from attrs import define, field

from ..errors import NetrenderError
from ..protocol import messages
from ..protocol.jobs import Accepted, Manifest
from ..protocol.states import ENDED, FrameState
from ..scheduling import events as e
from ..scheduling.farm import Farm
from ..scheduling.step import step
from ..scheduling.upkeep import due
from ..store import records
from ..store.blobs import Blobs
from ..store.chunks import ChunkLists
from ..store.database import Database, Failure, Statement
from ..store.logs import Logs
from .bases import Bases
from .recovery import Recovery
from .reports import job_info, slave_info
from .watchers import Watcher, Watchers

log = logging.getLogger(__name__)


@define(kw_only=True, eq=False)
class Service:
    """The farm, its store, and who has to be told. All of it on one event loop."""

    farm: Farm
    database: Database
    blobs: Blobs
    results: Blobs
    logs: Logs
    chunks: ChunkLists = field(factory=ChunkLists)
    bases: Bases = field(factory=Bases)
    watchers: Watchers = field(factory=Watchers)
    outboxes: dict[str, Callable[[messages.ToSlave], None]] = field(factory=dict)  # by slave's id
    on_broken: Callable[[BaseException], None]  # the store is damaged: the end
    clock: Callable[[], float] = time.time
    cache_limit: int | None = None  # bytes of blobs; None for no limit
    alarm: asyncio.TimerHandle | None = None  # the next Tick ...
    alarm_at: float = 0.0  # ... and its time
    _unwritten: list[Statement] = field(factory=list)  # of this turn of the event loop
    _untold: list["_Told"] = field(factory=list)
    recovery: Recovery = field(init=False)
    closing: bool = False  # connections that end now are our doing: their leases live on until we are back

    def __attrs_post_init__(self) -> None:
        self.recovery = Recovery(self)
        for job in self.farm.jobs.values():
            self.bases.learn(job.manifest)

    async def apply(self, event: e.Event) -> None:
        """Take the event in; return when what follows from it is durable and everybody has been told.

        Raises what ``step`` raises, having changed nothing; StorageError if it cannot be made durable, and
        NetrenderError if the scheduler failed on it: then nothing of it is kept either.
        """
        if self.take(event):
            # A later entry in the same queue: what comes back first is what was written first.
            await self.settled()

    def take(self, event: e.Event) -> bool:
        """The same without waiting; False if there was nothing to store, and everybody has been told already."""
        self.recovery.check()
        try:
            decisions = step(self.farm, event)
            if self.farm.due_changed or type(event) in _CHANGES_WHAT_IS_DUE:
                self.set_alarm()
            statements = records.statements(self.farm, decisions)
            # Messages are built before the commit, because they describe the state at this event.
            told = list(self._messages(decisions))
        except NetrenderError:  # from `step`, which has changed nothing
            raise
        except Exception as error:
            raise self.recovery.refuse(event, error) from error
        if not statements and not self._unwritten:
            self._tell(told)
            return False
        # What happens in one turn of the event loop is written, and told, at once.
        if not self._unwritten and not self._untold:
            asyncio.get_running_loop().call_soon(self._write)
        self._unwritten += statements
        self._untold += told
        return True

    def submit(self, event: e.Event) -> None:
        """The same where nobody waits for an answer: what is wrong is logged, and ends nothing."""
        try:
            self.take(event)
        except NetrenderError as error:
            log.info("%s is refused: %s", type(event).__name__, error.message)

    def flush(self) -> None:
        """Write what is good, as far as that is possible, and drop the rest: the farm is about to be loaded again."""
        self._write()
        self.database.flush()

    def _write(self) -> None:
        statements, told = self._unwritten, self._untold
        if not statements and not told:
            return  # somebody who waits was sooner
        self._unwritten, self._untold = [], []
        # A callback, not code after an await: it runs in commit order, and also if the request is gone by then.
        self.database.write_then(statements, lambda failure: self._committed(failure, told))

    def set_alarm(self) -> None:
        """Have the scheduler told that time has passed, when that may change something."""
        self.farm.due_changed = False
        when = due(self.farm)
        if self.alarm is not None and (when is None or when != self.alarm_at):
            self.alarm.cancel()
            self.alarm = None
        if when is not None and self.alarm is None:
            self.alarm_at = when
            delay = max(when - self.clock(), 0.0)
            self.alarm = asyncio.get_running_loop().call_later(delay, self._on_alarm)

    def _on_alarm(self) -> None:
        self.alarm = None
        if not self.closing:
            self.submit(e.Tick(now=self.clock()))

    async def announce(self, manifest: Manifest) -> Accepted:
        new = manifest.id not in self.farm.jobs
        if new:
            missing = frozenset(sha for sha in manifest.blobs if not self.blobs.has(sha))
            await self.apply(e.JobAnnounced(now=self.clock(), manifest=manifest, missing=missing))
            if self.cache_limit is not None:
                there = manifest.blobs.keys() - missing
                await asyncio.to_thread(self.blobs.used, there)
                # After the announcement: from now on its blobs are needed, and stay.
                await self.make_room(sum(manifest.blobs[sha256] for sha256 in missing))
            log.info(
                "job %s %r: %s frames, %d files missing", manifest.id, manifest.name, manifest.frames, len(missing)
            )
        job = self.farm.jobs[manifest.id]
        bases = self.bases.of(manifest, job.missing, self.blobs.has)
        self.bases.learn(manifest)
        accepted = Accepted(id=job.id, state=job.state, new=new, missing=tuple(sorted(job.missing)), bases=bases)
        if not new:
            await self.settled()  # the first announcement may still be on its way to the disk
        return accepted

    async def make_room(self, incoming: int) -> None:
        """Make room for so many bytes within the limit; what a job that is not over needs stays."""
        if self.cache_limit is not None:
            live = [job for job in self.farm.jobs.values() if job.state not in ENDED]
            await self.blobs.trim(
                self.cache_limit - incoming, {sha256 for job in live for sha256 in job.manifest.blobs}
            )

    async def settled(self) -> None:
        """Return when all that happened so far is durable and told. What is reported as done must not be undone."""
        self._write()
        await asyncio.shield(self.database.write(()))

    def watch(self, job: str | None) -> "asyncio.Future[Watcher]":
        """A watcher that is told of all that happens from now on, and of nothing that happened before."""
        self._write()
        found: asyncio.Future[Watcher] = asyncio.get_running_loop().create_future()
        self.watchers.opening += 1

        def settled(failure: Failure | None) -> None:
            self.watchers.opening -= 1
            if found.cancelled():
                return
            if failure is None:
                found.set_result(self.watchers.add(job))
            else:
                found.set_exception(failure.error)

        self.database.write_then((), settled)
        return found

    async def command(self, job_id: str, command: str) -> None:
        job = self.farm.jobs.get(job_id)
        gone = frozenset(sha for sha in job.manifest.blobs if not self.blobs.has(sha)) if job else frozenset()
        await self.apply(e.JobCommanded(now=self.clock(), job=job_id, command=command, missing=gone))
        log.info("job %s: %s", job_id, command)

    def _committed(self, failure: Failure | None, told: list["_Told"]) -> None:
        if failure is not None:
            self.recovery.on_unwritten(failure)
        else:
            self._tell(told)

    def _tell(self, told: list["_Told"]) -> None:
        for item in told:
            if isinstance(item, tuple):
                slave, message = item
                if slave in self.outboxes:
                    self.outboxes[slave](message)
            else:
                self.watchers.tell(item)

    def _messages(self, decisions: Iterable[e.Decision]) -> Iterable["_Told"]:
        farm, watched = self.farm, self.watchers.wanted
        for decision in decisions:
            match decision:
                case e.FrameMoved():
                    if decision.slave and decision.state in (FrameState.QUEUED, FrameState.ERROR):
                        name = farm.slaves[decision.slave].name
                        log.warning(
                            "job %s frame %d failed on %s: %s", decision.job, decision.frame, name, decision.reason
                        )
                    if watched:
                        yield self._frame_event(decision)
                case e.FrameBegun():
                    if watched:
                        name = farm.slaves[decision.slave].name
                        yield messages.FrameStarted(job=decision.job, frame=decision.frame, slave=name)
                case e.Granted():
                    yield (
                        decision.slave,
                        messages.Work(
                            lease=decision.lease,
                            job=decision.job,
                            frames=decision.frames,
                            scene=farm.jobs[decision.job].scene,
                            stall=decision.stall,
                        ),
                    )
                case e.Revoked():
                    log.info("lease %d of %s is revoked: %s", decision.lease, decision.slave[:8], decision.reason)
                    yield (
                        decision.slave,
                        messages.Cancel(lease=decision.lease, reason=decision.reason, frames=decision.frames),
                    )
                case e.JobMoved():
                    log.info("job %s is %s: %s", decision.job, decision.state, decision.reason)
                    if watched:
                        yield messages.JobChanged(job=job_info(farm, farm.jobs[decision.job]))
                case e.SlaveMoved() if watched:
                    yield messages.SlaveChanged(slave=slave_info(farm.slaves[decision.slave]))

    def _frame_event(self, moved: e.FrameMoved) -> messages.Event:
        slave = self.farm.slaves[moved.slave].name if moved.slave else ""
        if moved.state is FrameState.DISPATCHED:
            return messages.FrameDispatched(job=moved.job, frame=moved.frame, slave=slave)
        if moved.state is FrameState.DONE:
            return messages.FrameDone(
                job=moved.job,
                frame=moved.frame,
                slave=slave,
                seconds=moved.seconds or 0.0,
                sha256=moved.sha256,
                size=moved.size,
            )
        if slave:
            final = moved.state is FrameState.ERROR
            return messages.FrameFailed(
                job=moved.job, frame=moved.frame, slave=slave, message=moved.reason, final=final
            )
        return messages.FrameQueued(job=moved.job, frame=moved.frame, reason=moved.reason)


# What else leaves somebody idle, or a job waiting for its time, sets farm.due_changed.
_CHANGES_WHAT_IS_DUE = frozenset({e.JobAnnounced, e.BlobsArrived, e.JobCommanded, e.JobChanged, e.SlaveJoined, e.Tick})

_Told = messages.Event | tuple[str, messages.ToSlave]
