"""One renderer child: started, told what to do, watched and ended. For the slave, and for a client that inspects."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..protocol.frames import FrameRange
from .child import OnLog, OnProgress
from .commands import command
from .renderer import Renderer
from .replies import ExternalFile, Inspection, Ready

__all__ = ["ExternalFile", "Inspection", "OnLog", "OnProgress", "Ready", "Renderer", "command", "inspect"]


async def inspect(
    command: Sequence[str],
    blend: Path,
    *,
    scene: str | None = None,
    engine: str | None = None,
    view_layers: Iterable[str] = (),
    frames: FrameRange | None = None,
    on_log: OnLog = lambda line: None,
) -> Inspection:
    """Start a renderer only to look into a .blend; ``frames`` will be rendered, or None for the scene's own."""
    renderer = await Renderer.start(command, on_log=on_log)
    try:
        return await renderer.inspect(blend, scene=scene, engine=engine, view_layers=view_layers, frames=frames)
    finally:
        await renderer.stop()
