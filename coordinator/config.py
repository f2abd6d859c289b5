"""Where the coordinator is, and where this machine keeps its data: defaults, environment, what a user types."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import platformdirs
from attrs import field, frozen

from .constants import DEFAULT_HOST, DEFAULT_PORT
from .errors import UsageError

COORDINATOR_VARIABLE = "NETRENDER_COORDINATOR"
KEY_VARIABLE = "NETRENDER_KEY"

_FORMS = "write HOST:PORT, http://HOST:PORT, or the pairing line netrender://HOST:PORT/#KEY that the coordinator prints"


@frozen(kw_only=True)
class Address:
    """Where a coordinator listens, and the key that it asks for."""

    url: str  # "http://127.0.0.1:8470", without a slash at the end
    token: str = field(default="", repr=False)  # empty on loopback

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``host``, ``host:port``, ``http://host:port`` or ``netrender://host:port/#key``.

        Raises UsageError for anything else.
        """
        text = text.strip()
        parts = urlsplit(text if "://" in text else f"http://{text}")
        text = text.partition("#")[0]  # of what errors repeat: they are shown and logged, and the key is secret
        try:
            host, port = parts.hostname, parts.port or DEFAULT_PORT
        except ValueError as error:
            raise UsageError(f"coordinator {text!r}: {error}; {_FORMS}") from error
        if parts.scheme not in ("http", "netrender"):
            raise UsageError(f"coordinator {text!r}: {parts.scheme}:// is not understood; {_FORMS}")
        if not host or re.search(r"\s", host) or parts.path not in ("", "/") or parts.query or parts.username:
            raise UsageError(f"coordinator {text!r} is not an address; {_FORMS}")
        if parts.scheme == "netrender" and not parts.fragment:
            raise UsageError(f"coordinator {text!r} has no key after '#': copy the whole pairing line; {_FORMS}")
        return cls(url=f"http://{f'[{host}]' if ':' in host else host}:{port}", token=unquote(parts.fragment))

    @classmethod
    def default(cls) -> "Address":
        """The one in the environment, else this machine's. Raises UsageError if the environment's is none."""
        text = os.environ.get(COORDINATOR_VARIABLE, "")
        if not text:
            return cls(url=f"http://{DEFAULT_HOST}:{DEFAULT_PORT}")
        try:
            return cls.parse(text)
        except UsageError as error:
            raise UsageError(f"environment variable {COORDINATOR_VARIABLE}: {error.message}") from error


def data_folder(part: str) -> Path:
    """Where this user's ``coordinator`` or ``slave`` keeps its data unless told otherwise."""
    return Path(platformdirs.user_data_dir("netrender", appauthor=False)) / part
