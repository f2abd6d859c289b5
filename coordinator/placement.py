"""Where each file of a job goes in the job's own tree, so that the .blend finds it there. Pure.

A path that is relative to a .blend resolves by itself if both keep their places to each other: so the folders from
their common parent down are mirrored. A path that is stored as absolute cannot resolve: such a file has a ``stored``,
and the renderer maps it. It lies where it is mirrored anyway, or with its whole path under ``_outside``: the frames of
a sequence, the tiles of a texture and the files of a cache must stay together.
"""

import hashlib
import ntpath
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath, PureWindowsPath

from attrs import frozen

from .errors import BadPathError
from .protocol.paths import check_tree_path
from .renderer import ExternalFile

OUTSIDE = "_outside"
LONGEST_NAME = 80  # characters that are kept of a name which has to be changed anyway


@frozen(kw_only=True)
class Placed:
    """A file here, and its place in the job's tree."""

    source: str  # absolute, as Blender gave it
    path: str  # in the job's tree
    stored: str = ""  # the path as the .blend has it, if that does not lead to `path` by itself


@frozen
class _Reference:
    """One path in some .blend that leads to a file."""

    position: PurePath  # where the file is, without ".."
    stored: str

    @property
    def relative(self) -> bool:
        return self.stored.startswith("//")  # Blender's own mark for "relative to this .blend"


def place(blend: PurePath, files: Iterable[ExternalFile]) -> list[Placed]:
    """The .blend first, then each file, once for every stored path that the renderer has to map.

    Raises BadPathError if one stored path means two files and has to be mapped, or if a path is too long.
    """
    blend = _flat(blend, str(blend))
    sources = {blend: str(blend)}
    references = []
    anchored = [blend]
    for file in files:
        reference = _Reference(_flat(blend, file.path), file.stored)
        sources.setdefault(reference.position, file.path)
        references.append(reference)
        # Libraries keep their places wherever they are: what they refer to is relative to them.
        if reference.relative or file.kind == "library":
            anchored.append(reference.position)
    places, moved = _places(sources, _common_parent(blend, anchored))
    mapped = _mapped(references, moved)
    placed = []
    for position, source in sources.items():
        first, *others = mapped.get(position, [""])
        path = places[position]
        placed.append(Placed(source=source, path=check_tree_path(path), stored=first))
        for stored in others:  # a second spelling of the same path: an entry of the manifest has one
            extra = f"{OUTSIDE}/{_short(stored)}/{path.rsplit('/', 1)[-1]}"
            placed.append(Placed(source=source, path=check_tree_path(extra), stored=stored))
    return placed


def _common_parent(blend: PurePath, positions: Iterable[PurePath]) -> PurePath:
    """The deepest folder that holds the .blend and all of these that are on its drive."""
    root = blend.parent
    for position in positions:
        while position.anchor.casefold() == blend.anchor.casefold() and not position.is_relative_to(root):
            root = root.parent
    return root


def _places(positions: Iterable[PurePath], root: PurePath) -> tuple[dict[PurePath, str], set[PurePath]]:
    """A place for each file, and those whose name had to be changed."""
    places, moved = {}, set()
    taken: set[str] = set()  # in lower case: names that differ only in case are one on some systems
    for position in positions:
        if position.is_relative_to(root):
            wanted = list(position.relative_to(root).parts)
        else:
            drive = re.sub(r"\W+", "_", position.drive).strip("_")
            wanted = [OUTSIDE, *filter(None, [drive]), *position.parts[1:]]
        path = "/".join(map(_portable, wanted))
        if path.casefold() in taken:
            path = f"{OUTSIDE}/{_short(str(position))}/{path.rsplit('/', 1)[-1]}"
        taken.add(path.casefold())
        places[position] = path
        if path != "/".join(wanted):
            moved.add(position)
    return places, moved


def _mapped(references: Iterable[_Reference], moved: set[PurePath]) -> dict[PurePath, list[str]]:
    """The stored paths that have to be mapped, each at the file that it names.

    A sequence and a set of tiles are stored as one path; one of their files stands for all, as they stay together.
    """
    meanings: dict[str, list[_Reference]] = defaultdict(list)
    for reference in references:
        meanings[reference.stored].append(reference)
    mapped: dict[PurePath, list[str]] = defaultdict(list)
    for stored, same in meanings.items():
        if same[0].relative and not any(reference.position in moved for reference in same):
            continue
        folders = {reference.position.parent: reference.position for reference in same}
        if len(folders) > 1:
            one, other = list(folders.values())[:2]
            raise BadPathError(
                f"{one} and {other} are both stored as {stored!r}, and one of them has a name that some operating "
                "system cannot hold: rename it"
            )
        name = re.split(r"[/\\]", stored)[-1]
        named = [reference.position for reference in same if reference.position.name == name]
        mapped[(named or [same[0].position])[0]].append(stored)
    return mapped


def _flat(like: PurePath, path: str) -> PurePath:
    """Without ``..``: the job's tree has no links, so there it is only a matter of names."""
    return type(like)(ntpath.normpath(path) if isinstance(like, PureWindowsPath) else posixpath.normpath(path))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]


def _portable(part: str) -> str:
    """The name itself where every operating system can hold it, else one like it; numbers at its end stay."""
    try:
        return check_tree_path(part)
    except BadPathError:
        safe = re.sub(r"[^\w.-]", "_", part, flags=re.ASCII)[-LONGEST_NAME:]
        return f"_{safe}_" if safe.endswith(".") else f"_{safe}"
