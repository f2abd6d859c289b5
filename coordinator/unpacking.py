"""Compressed .blend files, unpacked before they are sent.

In a compressed file one moved object changes all bytes behind it; so what travels, and what a job is named by, is the
.blend without its compression. Blender opens both alike.
"""

import contextlib
import hashlib
import logging
import secrets
from pathlib import Path

import platformdirs

from . import compression
from .constants import UNPACKED_LIMIT
from .store import shelf

logger = logging.getLogger(__name__)

_ZSTD = b"\x28\xb5\x2f\xfd"  # how Blender 3.0 and later compress


def unpacked(blend: Path, folder: Path | None = None) -> Path:
    """A copy without compression, in this user's cache; the file itself if it has none, or cannot be unpacked here."""
    folder = folder or Path(platformdirs.user_cache_dir("netrender", appauthor=False)) / "unpacked"
    partial = folder / f"{secrets.token_hex(8)}.partial"
    try:
        with blend.open("rb") as file:
            if file.read(4) != _ZSTD or not compression.available():
                return blend
            folder.mkdir(parents=True, exist_ok=True)
            file.seek(0)
            with partial.open("xb") as out:
                compression.unpack(file, out)
        target = folder / f"{hashlib.sha256(str(blend).encode()).hexdigest()[:16]}.blend"
        partial.replace(target)
        shelf.trim(folder, UNPACKED_LIMIT, {target.name})
    except (
        OSError,
        ValueError,
    ) as error:  # Blender tells what is damaged
        logger.info("%s is sent compressed: %s", blend, error)
        return blend
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return target
