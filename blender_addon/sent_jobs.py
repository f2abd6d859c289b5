"""Which job was sent last from which scene of which file, for files that were not saved after it. No bpy here.

A scene knows its job itself, but what it knows goes with the changes that nobody saved.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

KEPT = 180 * 24 * 3600.0  # seconds; jobs do not last longer on a farm that somebody cleans


def remember(cache: Path, blend: str, scenes: Iterable[str], job: str) -> None:
    """From now on this is the job of these scenes of the file."""
    if not blend:
        return  # of a file that has no name nobody can ask
    path = _path(cache, blend)
    known = _read(path) | {scene: [job, time.time()] for scene in scenes}
    partial = path.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        partial.write_text(json.dumps(known), encoding="utf-8")
        partial.replace(path)  # whole or not at all
    except OSError as error:
        logger.warning("%s will not be found again from %s: %s", job, blend, error)
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def recall(cache: Path, blend: str) -> dict[str, str]:
    """The jobs that were sent since the file was saved last, by scene."""
    try:
        saved = Path(blend).stat().st_mtime
    except OSError:
        return {}
    return {scene: job for scene, (job, sent) in _read(_path(cache, blend)).items() if sent >= saved}


def _path(cache: Path, blend: str) -> Path:
    return cache / "sent" / f"{hashlib.sha256(blend.encode(errors='surrogatepass')).hexdigest()[:32]}.json"


def _read(path: Path) -> dict[str, tuple[str, float]]:
    try:
        known: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found = {}
    for scene, entry in known.items() if isinstance(known, dict) else ():
        match entry:
            case [str(job), float() | int() as sent]:
                found[scene] = (job, float(sent))
    return found


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > KEPT:
                path.unlink()
