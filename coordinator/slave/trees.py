"""The files of the jobs that the slave has leases of: fetched as soon as a lease is there, once for all its leases."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import NetrenderError
from .cache import Cache, Tree

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]  # a coroutine and the name of its task


class Trees:
    """One task for each job."""

    def __init__(self, cache: Cache, spawn: Spawn) -> None:
        self._cache = cache
        self._spawn = spawn
        self._tasks: dict[str, asyncio.Task[Tree | NetrenderError]] = {}

    def begin(self, job: str) -> "asyncio.Task[Tree | NetrenderError]":
        """Have the files fetched, if that is not done or being done."""
        if job not in self._tasks:
            self._tasks[job] = self._spawn(self._prepare(job), f"files of job {job}")
        return self._tasks[job]

    async def get(self, job: str) -> Tree:
        """Wait for the files. Raises what they cannot be had for; the next lease tries again."""
        tree = await asyncio.shield(self.begin(job))
        if isinstance(tree, NetrenderError):
            self._tasks.pop(job, None)
            raise tree
        return tree

    def keep_only(self, jobs: set[str]) -> None:
        """Stop fetching, and forget, what no other job needs. The cache keeps what has arrived."""
        for job in self._tasks.keys() - jobs:
            self._tasks.pop(job).cancel()
        self._cache.keep_only(jobs)

    async def _prepare(self, job: str) -> Tree | NetrenderError:
        """An error is a value here: it is the leases' business, and must not end the group that runs this."""
        try:
            return await self._cache.prepare(job)
        except NetrenderError as error:
            return error
