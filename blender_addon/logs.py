"""What Blender said on the slaves while it rendered a job, as a text of this Blender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy

from . import editors, errands, farm, session

if TYPE_CHECKING:
    from coordinator.client import Client
    from coordinator.protocol.jobs import FrameInfo

MOST = 5  # frames whose logs are fetched: when all fail, they fail alike


@dataclass(frozen=True)
class Log:
    name: str
    text: str


def fetch(client: Client, job: str, tell: errands.Tell) -> None:
    """Tell the Log of a job: its failed frames, or else the last that was rendered."""
    info = client.job(job)
    frames = interesting(client.frames(info.id))
    parts = [f"{info.name}, job {info.id}: {info.state}, {info.reason}"]
    for frame in frames:
        title = f"frame {frame.frame}: {frame.state} on {frame.slave}, {frame.error}".rstrip(", ")
        parts.append(f"{title}\n\n{client.log(info.id, frame.frame).decode(errors='replace')}")
    if not frames:
        parts.append("no slave has begun a frame of it yet")
    tell(Log(f"log of {info.name}", "\n\n".join(parts)))


def interesting(frames: list[FrameInfo]) -> list[FrameInfo]:
    """Those whose logs say something."""
    failed = [frame for frame in frames if frame.state is farm.states.FrameState.ERROR]
    return failed[:MOST] or [frame for frame in frames if frame.slave][-1:]


def keep(message: Any) -> Any:
    """Make it a text, in place of an older one; None for other messages."""
    if not isinstance(message, Log):
        return None
    text = bpy.data.texts.get((message.name, None)) or bpy.data.texts.new(message.name)
    text.from_string(message.text)
    return text


def show(message: Any) -> None:
    """The same, in a Text Editor; errors go to the panel."""
    if isinstance(message, errands.Broke):
        session.note = message.error.message
    elif (text := keep(message)) is not None:
        editors.show_text(bpy.context, text)
