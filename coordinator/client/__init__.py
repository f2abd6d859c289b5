"""The synchronous client. No aiohttp and no event loop: Blender's window uses it on a thread."""

from .client import Client, Command

__all__ = ["Client", "Command"]
