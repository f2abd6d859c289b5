"""Path maps: what a client calls ``P:\\proj`` is ``/mnt/proj`` on this machine. Pure.

For farms that do share a drive: its files are used in place and not sent. A slave opens only what its own maps name.
"""

import re
from collections.abc import Iterable

from attrs import frozen

from .errors import UnsuitableError, UsageError
from .protocol.paths import is_absolute

_WINDOWS = re.compile(r"[A-Za-z]:|\\\\|//[^/]")  # a drive, or a share: there case does not matter


@frozen
class PathMap:
    """A folder as clients name it, and the same folder on this machine."""

    source: str
    target: str

    @classmethod
    def parse(cls, text: str) -> "PathMap":
        """Read ``FROM=TO``, or ``FOLDER`` if it is called the same on both. Raises UsageError."""
        source, _, target = text.partition("=")
        target = target or source
        for path in (source, target):
            if not is_absolute(path) or ".." in _parts(path):
                raise UsageError(
                    f"path map {text!r}: {path!r} is not an absolute path; write FROM=TO, such as P:\\proj=/mnt/proj"
                )
        return cls(source, target)

    def apply(self, path: str) -> str | None:
        """Where the client's ``path`` is here; None if the map does not have it."""
        rest = _rest(path, self.source)
        if rest is None:
            return None
        slash = "\\" if "\\" in self.target else "/"
        return slash.join([self.target.rstrip("/\\"), *rest])


def translate(path: str, maps: Iterable[PathMap]) -> str:
    """Where the client's ``path`` is here. Raises UnsuitableError that names the option that is missing."""
    for one in maps:
        if (found := one.apply(path)) is not None:
            return found
    raise UnsuitableError(
        f"the job uses {path} in place, and this slave has no path map for it; start it with --path-map FROM=TO, or "
        "submit the job without --shared"
    )


def is_under(path: str, folder: str) -> bool:
    """Whether ``path`` is the folder or in it: by its parts, in either kind of slash."""
    return _rest(path, folder) is not None


def _rest(path: str, folder: str) -> list[str] | None:
    """The parts of ``path`` after those of ``folder``; None if it is elsewhere or leads out again."""
    parts, wanted = _parts(path), _parts(folder)
    head = parts[: len(wanted)]
    if _WINDOWS.match(folder):
        head, wanted = [part.casefold() for part in head], [part.casefold() for part in wanted]
    if head != wanted or ".." in parts:
        return None
    return parts[len(wanted) :]


def _parts(path: str) -> list[str]:
    """``C:/a/b`` and ``C:\\a\\b`` are the same; a leading slash is a part, lest /mnt be mnt."""
    if _WINDOWS.match(path):
        path = path.replace("\\", "/")
        root = "//" if path.startswith("//") else ""
    else:
        root = "/" if path.startswith("/") else ""
    return [*filter(None, [root]), *(part for part in path.split("/") if part not in ("", "."))]
