"""Whoever watches: one queue for each event stream, filled as things happen."""

import asyncio

from attrs import define, field

from ..protocol import codec, messages

QUEUE_LIMIT = 20_000  # events; a watcher that is so far behind is cut off, and asks for the state anew


@define(eq=False)
class Watcher:
    job: str | None  # only events of this job
    queue: asyncio.Queue[str | None] = field(factory=lambda: asyncio.Queue(QUEUE_LIMIT))


@define
class Watchers:
    _all: set[Watcher] = field(factory=set)
    opening: int = 0  # watchers that are to come, and must miss nothing

    @property
    def wanted(self) -> bool:
        """Whether anybody watches: else events need not even be made."""
        return bool(self._all or self.opening)

    def add(self, job: str | None) -> Watcher:
        watcher = Watcher(job)
        self._all.add(watcher)
        return watcher

    def remove(self, watcher: Watcher) -> None:
        self._all.discard(watcher)

    def tell(self, event: messages.Event) -> None:
        """Never blocks. Encoded once for all, and not at all if nobody watches."""
        concerned = [w for w in self._all if w.job is None or _concerns(event, w.job)]
        if not concerned:
            return
        text = codec.dumps(event, messages.Event)
        for watcher in concerned:
            try:
                watcher.queue.put_nowait(text)
            except asyncio.QueueFull:
                self._all.discard(watcher)
                watcher.queue.get_nowait()
                watcher.queue.put_nowait(None)

    def close(self) -> None:
        for watcher in self._all:
            if watcher.queue.full():
                watcher.queue.get_nowait()
            watcher.queue.put_nowait(None)


def _concerns(event: messages.Event, job: str) -> bool:
    match event:
        case messages.JobChanged():
            return event.job.id == job
        case messages.SlaveChanged():
            return False
        case messages.ProblemChanged():
            return True
        case _:
            return event.job == job
