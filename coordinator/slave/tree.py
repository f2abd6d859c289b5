"""A job's own tree on this slave, and where the paths in its .blend have to lead."""

import re
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from ..errors import UnsuitableError
from ..pathmaps import PathMap, translate
from ..protocol.jobs import Manifest
from ..protocol.paths import check_tree_path, is_absolute, without_token


@frozen(kw_only=True)
class Tree:
    """A job whose files, those that a lease needs, are here."""

    job: str
    manifest: Manifest
    folder: Path
    mapped: tuple[dict[str, str], ...] = ()  # paths that the renderer has to set: "blend", "stored", "path"
    inside: tuple[str, ...] = ()  # the only folders from which the renderer may read files

    @property
    def blend(self) -> Path:
        return self.folder / self.manifest.blend

    @property
    def colors(self) -> str:
        """The OpenColorIO configuration; empty for Blender's own."""
        return str(self.folder / self.manifest.colors) if self.manifest.colors else ""


def resolve(job: str, manifest: Manifest, folder: Path, path_maps: Iterable[PathMap]) -> Tree:
    """Raises UnsuitableError for a file on a shared drive that this slave does not reach."""
    maps = tuple(path_maps)

    def here(path: str) -> str:
        if is_absolute(path):
            return _reached(path, translate(path, maps))
        check_tree_path(without_token(path))
        return str(folder / path)

    mapped = tuple(
        {"blend": here(each.blend), "stored": each.stored, "path": here(each.path)} for each in manifest.mapped
    )
    return Tree(
        job=job,
        manifest=manifest,
        folder=folder,
        mapped=mapped,
        inside=(str(folder), *(one.target for one in maps)),
    )


def _reached(path: str, found: str) -> str:
    """Blender would render without it and say nothing."""
    there = Path(found)
    # Of a set of tiles or a sequence, the file that the path names need not be there.
    if not (there.parent.is_dir() if re.search(r"[<\d]", there.name) else there.exists()):
        raise UnsuitableError(
            f"{path}, which the job uses in place, is not there on this slave ({found}); is it mounted?"
        )
    return found
