"""Where each file of a job goes in the job's own tree, so that the .blend finds it there. Pure.

A path that is relative to a .blend resolves by itself if both keep their places to each other: so the folders from
their common parent down are mirrored. A path that is stored as absolute cannot resolve: such a file has a ``stored``,
and the renderer maps it. It lies where it would be mirrored, if that is inside the common parent, else under
``_outside``, together with what was in the same folder: the frames of a sequence must stay together.
"""

import hashlib
import ntpath
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath, PureWindowsPath

from attrs import field, frozen

from .errors import BadPathError
from .protocol.paths import check_tree_path
from .renderer import ExternalFile

OUTSIDE = "_outside"
LONGEST_NAME = 60  # characters that are kept of a name which has to be changed anyway


@frozen(kw_only=True)
class Placed:
    """A file here, and its place in the job's tree."""

    source: str  # absolute, as Blender gave it
    path: str  # in the job's tree
    stored: str = ""  # the path as the .blend has it, if that does not lead to `path` by itself


@frozen
class _Reference:
    """One path in some .blend that leads to a file."""

    source: str
    position: PurePath  # the source without ".."
    stored: str = ""
    base: PurePath = field(kw_only=True)  # the folder in which what is stored begins

    @property
    def relative(self) -> bool:
        return not self.stored or _relative(self.stored)


def place(blend: PurePath, files: Iterable[ExternalFile]) -> list[Placed]:
    """The .blend first, then each file, once for every stored path that the renderer has to map.

    Raises BadPathError if one stored path means two files and has to be mapped, or if a name cannot be kept.
    """
    blend = _flat(blend, str(blend))
    references = [_Reference(str(blend), blend, base=blend.parent)]
    # Libraries keep their places wherever they are: what they refer to is relative to them.
    anchored = [blend]
    for file in files:
        references.append(_reference(blend, file))
        if references[-1].relative or file.kind == "library":
            anchored.append(references[-1].position)
    roots = _common_parents(anchored)
    home = blend.anchor.casefold()

    by_position: dict[PurePath, list[_Reference]] = defaultdict(list)
    for reference in references:
        by_position[reference.position].append(reference)

    taken: set[str] = set()  # in lower case: names that differ only in case are one on some systems
    mapped: dict[str, PurePath] = {}
    placed = []
    for position, same in by_position.items():
        wanted = _wanted(same[0], roots.get(position.anchor.casefold()), home)
        path = "/".join(map(_portable, wanted))
        if path.casefold() in taken:
            path = f"{OUTSIDE}/{_short(str(position))}/{path.rsplit('/', 1)[-1]}"
        taken.add(path.casefold())
        moved = path != "/".join(wanted)
        stored = {r.stored: r for r in same if r.stored and (moved or not r.relative)}
        mapped |= dict.fromkeys(stored, position)
        placed.append(Placed(source=same[0].source, path=check_tree_path(path), stored=next(iter(stored), "")))
        for other in list(stored)[1:]:  # another spelling of the same path: the manifest has one for each file
            extra = f"{OUTSIDE}/{_short(other)}/{path.rsplit('/', 1)[-1]}"
            placed.append(Placed(source=same[0].source, path=check_tree_path(extra), stored=other))
    for reference in references:
        if mapped.get(reference.stored, reference.position) != reference.position:
            raise BadPathError(
                f"{reference.position} and {mapped[reference.stored]} are both stored as {reference.stored!r}, "
                "and one of them has a name that some operating system cannot hold: rename it"
            )
    return placed


def _reference(blend: PurePath, file: ExternalFile) -> _Reference:
    position = _flat(blend, file.path)
    if _relative(file.stored):
        # Inside a sequence or a set of tiles, the .blend stores one path for all: spell this file's own like it.
        folder = file.stored[: max(file.stored.rfind("/"), file.stored.rfind("\\")) + 1]
        return _Reference(file.path, position, folder + position.name, base=position.parent)
    named = _flat(blend, file.stored)
    if position == named:
        return _Reference(file.path, position, file.stored, base=named.parent)
    base = named if position.is_relative_to(named) else named.parent  # what a folder holds, or a sequence
    if position.is_relative_to(base):
        rest = position.relative_to(base).as_posix()
        spelled = file.stored if base == named else file.stored[: len(file.stored) - len(named.name)]
        stored = f"{spelled.rstrip('/')}/{rest}"
        return _Reference(file.path, position, stored, base=named.parent)
    return _Reference(file.path, position, file.stored, base=position.parent)


def _wanted(reference: _Reference, root: PurePath | None, home: str) -> list[str]:
    """The parts of its path in the tree, before names are made portable."""
    position = reference.position
    if root is not None and position.is_relative_to(root):
        parts = list(position.relative_to(root).parts)
        return parts if position.anchor.casefold() == home else [OUTSIDE, _short(str(root)), *parts]
    return [OUTSIDE, _short(str(reference.base)), *position.relative_to(reference.base).parts]


def _common_parents(positions: Iterable[PurePath]) -> dict[str, PurePath]:
    """For each drive, the deepest folder that holds all of these files."""
    roots: dict[str, PurePath] = {}
    for position in positions:
        root = roots.setdefault(position.anchor.casefold(), position.parent)
        while not position.is_relative_to(root):
            root = root.parent
        roots[position.anchor.casefold()] = root
    return roots


def _flat(like: PurePath, path: str) -> PurePath:
    """Without ``..``: the job's tree has no links, so there it is only a matter of names."""
    return type(like)(ntpath.normpath(path) if isinstance(like, PureWindowsPath) else posixpath.normpath(path))


def _relative(stored: str) -> bool:
    """Blender's own mark for "relative to this .blend"."""
    return stored.startswith("//")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]


def _portable(part: str) -> str:
    """The name itself where every operating system can hold it, else one like it."""
    try:
        return check_tree_path(part)
    except BadPathError:
        stem, dot, suffix = part.rpartition(".")
        safe = re.sub(r"[^\w.-]", "_", (stem or suffix)[-LONGEST_NAME:], flags=re.ASCII).strip(".")
        safe_suffix = re.sub(r"\W", "_", suffix[:10], flags=re.ASCII) if stem and dot else ""
        # Two names that become alike stay apart; the frame number that ends a sequence's name stays at the end.
        return f"{_short(part)}-{safe}" + (f".{safe_suffix}" if safe_suffix else "")
