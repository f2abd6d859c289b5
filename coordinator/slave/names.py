"""What a slave tells of paths: names that the job or its client knows, and not where this machine keeps things.

The slave's own log has the real paths: its owner needs them.
"""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
from attrs import frozen

from ..pathmaps import PathMap
from ..protocol import messages
from ..protocol.paths import is_absolute
from .rooms import TREE

_SLASHES = r"[/\\]{1,4}"  # both kinds, and several: a text may have escaped them. Not any number: that takes too long
_PART = r"[^/\\\s\"'<>|]+"  # of a path
_WINDOWS = re.compile(r"[A-Za-z]:|\\\\|//[^/]")  # a drive, or a share: there case does not matter
_TEXTS = ("message", "reason", "aside")  # the fields of messages that people read


@frozen
class _Rule:
    """A folder of this machine, and what is told instead."""

    folder: str  # a regular expression
    alone: str  # instead of the folder itself
    inside: str  # before the rest of a path that goes on

    def apply(self, rest: str) -> str:
        parts = [part for part in re.split(_SLASHES, rest) if part]
        slash = "\\" if self.inside.endswith("\\") else "/"
        return self.inside + slash.join(parts) if parts else self.alone


class Names:
    """Replaces the paths in a text. Without rules it leaves a text as it is."""

    def __init__(self, rules: Iterable[_Rule] = ()) -> None:
        # Those that go deepest first: the slave's folder may be in the user's, and a job's is in the slave's.
        self._rules = sorted(rules, key=lambda rule: -rule.folder.count(_SLASHES))
        folders = "|".join(f"({rule.folder})" for rule in self._rules)
        # Begins only where a path can. What is in /home is neither in /homes nor in /home.old.
        self._pattern = re.compile(rf"(?=[/\\]|[A-Za-z]:)(?:{folders})(?![\w-]|\.\w)((?:{_SLASHES}(?:{_PART})?)*)")

    @classmethod
    def of(cls, data: Iterable[str], maps: Iterable[PathMap] = (), home: str = "") -> "Names":
        """For a slave whose folder has the names ``data``, and whose owner mapped folders."""
        folders = {one.target: one.source for one in maps}
        if home:
            folders.setdefault(home, "~")
        return cls([*_of_slave(data), *_of_others(folders)])

    def in_text(self, text: str) -> str:
        return self._pattern.sub(self._replaced, text) if self._rules else text

    def in_message(self, message: messages.FromSlave) -> messages.FromSlave:
        """The message with names instead of paths in what people read of it."""
        texts: dict[str, Any] = {
            name: self.in_text(text) for name in _TEXTS if (text := getattr(message, name, None)) is not None
        }
        changed: messages.FromSlave = attrs.evolve(message, **texts)
        return changed

    def _replaced(self, found: "re.Match[str]") -> str:
        *folders, rest = found.groups()
        number = next(number for number, folder in enumerate(folders) if folder is not None)
        return self._rules[number].apply(rest)


def _of_slave(data: Iterable[str]) -> Iterator[_Rule]:
    for folder in _expressions(data):
        yield _Rule(_SLASHES.join((folder, "cache", "jobs", _PART, TREE)), "<job>", "")  # a job's own tree
        # The frames of a lease, and those of a renderer.
        yield _Rule(_SLASHES.join((folder, "work", r"(?:\d+|results-[0-9a-f]+)")), "<work>", "")
        yield _Rule(_SLASHES.join((folder, "temp")), "<temp>", "<temp>/")
        yield _Rule(folder, "<slave>", "")


def _of_others(folders: dict[str, str]) -> Iterator[_Rule]:
    for folder, name in folders.items():
        slash = "\\" if "\\" in name else "/"
        for expression in _expressions([folder]):
            yield _Rule(expression, name, name.rstrip("/\\") + slash)


def _expressions(folders: Iterable[str]) -> Iterator[str]:
    """Each folder as it is written, and where links lead from there; but nothing for the root of everything."""
    written = {folder for folder in folders if is_absolute(folder)}
    found = written | {os.path.abspath(folder) for folder in folders}  # noqa: PTH100
    for folder in sorted(found | {os.path.realpath(folder) for folder in found}):
        parts = [re.escape(part) for part in re.split(_SLASHES, folder) if part]
        if parts:
            # A few common names may be in the middle of another path: /mnt/home/anna is not in /home.
            begin = r"(?<![\w.~-])" if len(parts) < 3 else ""
            root = "" if re.match(r"[A-Za-z]:", folder) else _SLASHES
            expression = begin + root + _SLASHES.join(parts)
            yield f"(?i:{expression})" if _WINDOWS.match(folder) else expression
