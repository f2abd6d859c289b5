"""A slave from start to stop: its folder, its connection, its agent."""

import asyncio
import contextlib
import logging
import os
import shutil
from pathlib import Path

from .. import renderer
from .agent import Agent
from .api import Api
from .groups import unwrapped
from .identity import Slot, claim
from .names import Names
from .options import SlaveOptions
from .trace import Trace

logger = logging.getLogger(__name__)


async def run(options: SlaveOptions) -> None:
    """Be a slave until this task is cancelled.

    Raises BlenderNotFoundError or RendererError (the first renderer does not start), ConflictError (another slave
    uses the data folder), StorageError, and what the coordinator refuses it with.
    """
    command = await asyncio.to_thread(
        renderer.command,
        options.blender,
        options.threads,
        devices=options.devices,
        allow_scripts=options.allow_scripts,
    )
    async with contextlib.AsyncExitStack() as stack:
        slot = await asyncio.to_thread(claim, options.data, options.name)
        stack.callback(slot.release)
        await asyncio.to_thread(_clean, slot.folder)
        trace = Trace(options.trace)
        stack.callback(trace.close)
        api = Api(options.url, slot.id, options.token, _names(slot, options))
        stack.push_async_callback(api.close)
        logger.info("slave %s starts, its data is in %s", slot.name, slot.folder)
        with unwrapped():
            await Agent(slot, command, options, api, trace).run()


def _names(slot: Slot, options: SlaveOptions) -> Names:
    data = [str(slot.folder)] if options.data is None else [str(slot.folder), str(options.data)]
    home = os.path.expanduser("~")  # noqa: PTH111  # no error where there is none
    return Names.of(data, (*options.path_maps, *options.results_folders), home)


def _clean(folder: Path) -> None:
    """Remove what a run that was killed has left: half-rendered frames, and Blender's temporary files."""
    for name in ("work", "temp", "cache/next", "cache/computed"):
        shutil.rmtree(folder / name, ignore_errors=True)
        with contextlib.suppress(OSError):  # where nothing can be written, the slave sets itself aside
            (folder / name).mkdir(parents=True, exist_ok=True)
