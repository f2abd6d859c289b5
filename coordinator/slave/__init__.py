"""The slave's agent: fetches files, feeds one warm renderer, delivers results from an outbox on disk. Never bpy."""

from .options import SlaveOptions
from .process import run

__all__ = ["SlaveOptions", "run"]
