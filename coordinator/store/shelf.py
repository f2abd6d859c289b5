"""A folder of files with a size limit: what was used longest ago goes first, what is needed stays.

When a file was used last is its modification time, so that a restart, or a kill in the middle of anything, forgets
nothing. Files under ``partial`` folders are uploads and downloads that may still go on; they are counted, and go
like all others once nobody has touched them for long.
"""

import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)


def used(path: Path) -> None:
    """Note that the file is being used now. One that went meanwhile, or that is another user's, is no matter."""
    try:
        os.utime(path)
    except OSError as error:
        logger.debug("%s: %s", path, error)


def trim(folder: Path, limit: int, needed: Collection[str] = ()) -> int:
    """Remove files until the folder has ``limit`` bytes at most; returns the bytes that it has then.

    Files whose name is among ``needed`` stay, however much they are. Raises OSError if the folder cannot be read.
    """
    found = list(_files(folder))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found, key=lambda file: file[0]):
        if total <= limit:
            break
        if path.name in needed:
            continue
        try:
            path.unlink()
        except OSError as error:  # on Windows, a file that somebody reads
            logger.info("%s stays: %s", path, error)
            continue
        logger.debug("%s is dropped for lack of room", path)
        total -= size
    return total


def size(folder: Path) -> int:
    """Bytes of all its files."""
    return sum(size for _, size, _ in _files(folder))


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each was used last, its size, and where it is."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            try:
                about = path.lstat()  # of a link, which leads elsewhere, only what it takes here
            except FileNotFoundError:  # it has just become whole, or was dropped
                continue
            yield about.st_mtime, about.st_size, path
