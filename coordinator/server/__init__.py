"""The coordinator's server: an aiohttp application around one service."""

from .serve import Listening, ServerOptions, serve

__all__ = ["Listening", "ServerOptions", "serve"]
