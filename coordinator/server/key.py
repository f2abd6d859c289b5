"""The farm's key: asked for on every address that is not this machine alone."""

import os
import secrets
from pathlib import Path

from ..errors import StorageError

_FILE = "farm.key"


def farm_key(data: Path) -> str:
    """The key in this data folder; made on first use, readable by its owner alone."""
    path = data / _FILE
    try:
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(24))
        key = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise StorageError(f"the farm's key {path}: {error.strerror}") from error
    if not key:  # a crash between making the file and writing it; an empty key would let everybody in
        raise StorageError(f"the farm's key {path} is empty: delete the file, and a new key is made")
    return key
