"""Where each file of a job goes in the job's own tree, and which paths in the .blend have to be set to find it. Pure.

A path that is relative to a .blend resolves by itself if both keep their places to each other: so the folders from
their common parent down are mirrored. What is elsewhere lies with its whole path under ``_outside``. A path that does
not lead to its file from there (an absolute one, or a name that some operating system cannot hold) is *mapped*: the
renderer sets it. The files behind one path (a sequence, tiles, a cache) are moved together or not at all.
"""

import hashlib
import ntpath
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath, PureWindowsPath

from attrs import define, field, frozen

from .errors import BadPathError
from .pathmaps import is_under
from .protocol.frames import FrameRange
from .protocol.jobs import Mapped
from .protocol.paths import TILE, TILE_TOKENS, check_tree_path, without_token
from .renderer import ExternalFile

OUTSIDE = "_outside"
COLORS = "colors"  # the kind of an OpenColorIO configuration: no path in the .blend leads to it
LONGEST_NAME = 80  # characters that are kept of a name which has to be changed anyway
LONGEST_RANGE = 400  # characters of a file's frames; past that it is cheaper to send the file to everybody


@frozen(kw_only=True)
class Placed:
    """A file here, and its place in the job's tree."""

    source: str  # absolute, as Blender gave it
    path: str  # in the job's tree
    frames: str = ""  # that need it; empty for all


@frozen(kw_only=True)
class Placement:
    """All files, the .blend first, and the paths that have to be set."""

    files: tuple[Placed, ...]
    mapped: tuple[Mapped, ...]


@define
class _Reference:
    """One path in some .blend, and the files that it leads to."""

    stored: str
    blend: PurePath  # that has it
    target: PurePath  # what it means: a file, a folder, a set of tiles
    kind: str
    files: list[ExternalFile] = field(factory=list)

    @property
    def relative(self) -> bool:
        return self.stored.startswith("//")  # Blender's own mark for "relative to this .blend"

    @property
    def library(self) -> bool:
        return self.kind == "library"


def place(blend: PurePath, files: Iterable[ExternalFile], shared: Iterable[str] = ()) -> Placement:
    """Places for the .blend and the files, but for those in the ``shared`` folders: they stay where they are.

    Raises BadPathError if a path is too long for a job's tree.
    """
    return _Placing(blend, files, tuple(shared)).result()


class _Placing:
    def __init__(self, blend: PurePath, files: Iterable[ExternalFile], shared: tuple[str, ...]) -> None:
        self._source = str(blend)
        self._blend = _flat(blend, str(blend))
        self._shared = shared
        self._references = _references(self._blend, files)
        self._root = self._common_parent()
        self._blends: dict[PurePath, str] = {}  # each .blend's place, or where it is if that is shared
        self._sources: dict[str, str] = {}  # a place, and the file that gets it
        self._frames: dict[str, set[str]] = defaultdict(set)  # a place, and the ranges that need it
        self._taken: dict[str, str] = {}  # the same in lower case: names that differ only so are one on some systems
        self._mapped: dict[Mapped, None] = {}

    def result(self) -> Placement:
        path = self._mirrored(self._blend)
        self._put(path, self._source, "")
        self._blends[self._blend] = path
        # Libraries first: what they refer to is found from where they are.
        for reference in sorted(self._references, key=lambda reference: not reference.library):
            self._place(reference)
        files = tuple(
            Placed(source=source, path=path, frames=_union(self._frames[path]))
            for path, source in self._sources.items()
        )
        return Placement(files=files, mapped=tuple(self._mapped))

    def _common_parent(self) -> PurePath:
        """The deepest folder that holds the .blend, its libraries and all that is relative to one of them."""
        root = self._blend.parent
        for reference in self._references:
            if not (reference.relative or reference.library) or self._is_shared(reference.target):
                continue
            while reference.target.anchor.casefold() == root.anchor.casefold() and not reference.target.is_relative_to(
                root
            ):
                root = root.parent
        return root

    def _is_shared(self, path: PurePath) -> bool:
        return any(is_under(str(path), folder) for folder in self._shared)

    def _place(self, reference: _Reference) -> None:
        blend = self._blends.get(reference.blend, self._blends[self._blend])
        if self._is_shared(reference.target):
            target = str(reference.target)
        else:
            target = self._place_files(reference, self._wanted(reference, blend))
        if reference.library:
            self._blends[reference.target] = target
        if reference.stored and not _leads(blend, reference.stored, target):
            self._mapped[Mapped(blend=blend, stored=reference.stored, path=target)] = None

    def _wanted(self, reference: _Reference, blend: str) -> str:
        if reference.stored or reference.kind == COLORS:
            return self._mirrored(reference.target)
        # Blender looks for it beside the .blend, by the name of that.
        folder, name = posixpath.split(blend)
        return posixpath.join(folder, f"blendcache_{posixpath.splitext(name)[0]}")

    def _mirrored(self, position: PurePath) -> str:
        """The place that keeps it where it is, seen from the root."""
        if position.is_relative_to(self._root):
            parts = list(position.relative_to(self._root).parts)
        else:
            drive = re.sub(r"\W+", "_", position.drive).strip("_")
            parts = [OUTSIDE, *filter(None, [drive]), *position.parts[1:]]
        return "/".join(map(_portable, parts))

    def _place_files(self, reference: _Reference, target: str) -> str:
        """Give its files their places; returns what the path has to lead to."""
        places = self._places(reference, target)
        if any(self._taken.get(path.casefold(), path) != path for path in places) or self._clash(reference, places):
            target = f"{OUTSIDE}/{_short(str(reference.target))}/{target.rsplit('/', 1)[-1]}"
            places = self._places(reference, target)
        for file, path in zip(reference.files, places, strict=True):
            self._put(path, file.path, file.frames)
        return target

    def _places(self, reference: _Reference, target: str) -> list[str]:
        """Where its files are if the path leads to ``target``: inside it, or beside it."""
        folder = target.rpartition("/")[0]
        places = []
        for file in reference.files:
            position = self._flat(file.path)
            if position == reference.target:
                places.append(target)
            elif position.is_relative_to(reference.target):
                inside = position.relative_to(reference.target).parts
                places.append("/".join([target, *map(_portable, inside)]))
            elif position.is_relative_to(reference.target.parent):
                beside = position.relative_to(reference.target.parent).parts
                places.append("/".join([*filter(None, [folder]), *map(_portable, beside)]))
            else:
                places.append(self._mirrored(position))
        return places

    def _clash(self, reference: _Reference, places: list[str]) -> bool:
        """Whether one of the places has another file already."""
        return any(
            path in self._sources and self._flat(self._sources[path]) != self._flat(file.path)
            for file, path in zip(reference.files, places, strict=True)
        )

    def _flat(self, path: str) -> PurePath:
        return _flat(self._blend, path)

    def _put(self, path: str, source: str, frames: str) -> None:
        self._sources.setdefault(check_tree_path(path), source)
        self._taken[path.casefold()] = path
        self._frames[path].add(frames)


def _references(blend: PurePath, files: Iterable[ExternalFile]) -> list[_Reference]:
    found: dict[tuple[str, str, str], _Reference] = {}
    for file in files:
        key = (file.blend, file.stored, file.target or (file.path if not file.stored else ""))
        if key not in found:
            found[key] = _Reference(
                stored=file.stored,
                blend=_flat(blend, file.blend) if file.blend else blend,
                target=_flat(blend, file.target or file.path),
                kind=file.kind,
            )
        found[key].files.append(file)
    return list(found.values())


def _leads(blend: str, stored: str, target: str) -> bool:
    """Whether the stored path leads to the target by itself."""
    if not stored.startswith("//"):
        return False
    path = posixpath.normpath(posixpath.join(posixpath.dirname(blend), stored[2:].replace("\\", "/")))
    return path == target


def _union(ranges: Iterable[str]) -> str:
    """One range of all; empty, for every frame, if one of them is."""
    texts = sorted(set(ranges))
    if "" in texts:
        return ""
    text = texts[0] if len(texts) == 1 else str(FrameRange.parse(",".join(texts)))
    return text if len(text) <= LONGEST_RANGE else ""


def _flat(like: PurePath, path: str) -> PurePath:
    """Without ``..``: the job's tree has no links, so there it is only a matter of names."""
    return type(like)(ntpath.normpath(path) if isinstance(like, PureWindowsPath) else posixpath.normpath(path))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]


def _portable(part: str) -> str:
    """The name itself where every operating system can hold it, else one like it; numbers at its end stay.

    The token of a set of tiles stays too, at the same place as the numbers of its files.
    """
    for token in TILE_TOKENS:
        if token in part:
            head, _, tail = _safe(without_token(part)).rpartition(TILE)
            return head + token + tail
    return _safe(part)


def _safe(name: str) -> str:
    try:
        return check_tree_path(name)
    except BadPathError:
        safe = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)[-LONGEST_NAME:]
        return f"_{safe}_" if safe.endswith(".") else f"_{safe}"
