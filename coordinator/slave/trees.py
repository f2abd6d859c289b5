"""The files of the leases that the slave has: fetched as soon as a lease is there, those that its frames need."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from ..errors import NetrenderError, cannot_write
from . import space
from .cache import Cache
from .leases import Lease
from .tree import Tree

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]  # a coroutine and the name of its task


class Trees:
    """One task for each lease."""

    def __init__(self, cache: Cache, spawn: Spawn) -> None:
        self._cache = cache
        self._spawn = spawn
        self._tasks: dict[int, asyncio.Task[Tree | NetrenderError]] = {}

    def begin(self, lease: Lease) -> "asyncio.Task[Tree | NetrenderError]":
        """Have the files fetched, if that is not done or being done."""
        if lease.number not in self._tasks:
            frames = tuple(lease.todo)
            self._tasks[lease.number] = self._spawn(self._prepare(lease.job, frames), f"files of lease {lease.number}")
        return self._tasks[lease.number]

    async def get(self, lease: Lease) -> Tree:
        """Wait for the files. Raises what they cannot be had for; the next lease tries again."""
        tree = await asyncio.shield(self.begin(lease))
        if isinstance(tree, NetrenderError):
            raise tree
        return tree

    def keep_only(self, leases: Collection[int], jobs: set[str]) -> None:
        """Stop fetching what no other lease needs. The cache keeps what has arrived, while there is room."""
        for number in self._tasks.keys() - set(leases):
            self._tasks.pop(number).cancel()
        self._cache.keep_only(jobs)

    async def _prepare(self, job: str, frames: tuple[int, ...]) -> Tree | NetrenderError:
        """An error is a value here: it is the leases' business, and must not end the group that runs this."""
        try:
            return await self._cache.prepare(job, frames)
        except NetrenderError as error:
            return error
        except OSError as error:  # a path that the system cannot even look for, say
            return cannot_write("the slave cannot have the job's files", error, space.REMEDY)
