"""Lists the external files of the open .blend: linked libraries, textures, caches and the rest.

Not listed: what is packed or built in, and the sequencer's media, as the renderer stops before sequencing. A missing
sound, text or file of an unused image is not reported: no pixel depends on it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bpy

from .. import compat
from .image_users import ImageUser, image_users
from .paths import UDIM

BUILTIN = "<builtin>"
_NUMBERED = re.compile(r"(?P<head>.*?)(?P<number>\d+)(?P<tail>\D*)")  # the last number in a name counts frames


@dataclass(frozen=True)
class Found:
    """An external file, or one that should be there."""

    kind: str
    name: str  # of the datablock
    stored: str  # the path as the .blend has it; every file of a sequence, and every tile, has the same
    path: str  # absolute
    needed: bool = True  # to render; False where nothing is lost without it

    @property
    def exists(self) -> bool:
        return Path(self.path).is_file()

    def as_dict(self) -> dict[str, str]:
        """The fields on the wire."""
        fields = asdict(self)
        del fields["needed"]
        return fields


def collect(frames: tuple[int, int]) -> list[Found]:
    """Every external file. ``frames`` are the first and the last frame of the scene."""
    found = [
        *_libraries(),
        *_images(frames),
        *_clips(),
        *_simple("sound", bpy.data.sounds, needed=False),
        *_simple("font", bpy.data.fonts),
        *_volumes(),
        *_cache_files(),
        *_caches(),
    ]
    found += _others({file.stored for file in found} | set(_cache_folders()) | _sequencer_paths())
    unique = {(file.path, file.stored): file for file in reversed(found)}  # each spelling: each may have to be mapped
    return sorted(unique.values(), key=lambda file: file.path)


def absolute(stored: str, library: Any) -> str:
    # Not resolved: a symbolic link counts as the file that the .blend names.
    return os.path.normpath(bpy.path.native_pathsep(bpy.path.abspath(stored, library=library)))


def _is_used(datablock: Any) -> bool:
    return datablock.users > (1 if datablock.use_fake_user else 0)


def _is_packed(datablock: Any) -> bool:
    return getattr(datablock, "packed_file", None) is not None or bool(getattr(datablock, "packed_files", ()))


def _libraries() -> Iterator[Found]:
    for library in bpy.data.libraries:
        if library.filepath and not _is_packed(library):
            yield Found("library", library.name, library.filepath, absolute(library.filepath, None))


def _simple(kind: str, datablocks: Iterable[Any], *, needed: bool = True) -> Iterator[Found]:
    for block in datablocks:
        if block.filepath and block.filepath != BUILTIN and not _is_packed(block):
            path = absolute(block.filepath, block.library)
            yield Found(kind, block.name, block.filepath, path, needed and _is_used(block))


def _images(frames: tuple[int, int]) -> Iterator[Found]:
    users = image_users()
    for image in bpy.data.images:
        if image.source not in ("FILE", "SEQUENCE", "MOVIE", "TILED") or not image.filepath or _is_packed(image):
            continue
        path = absolute(image.filepath, image.library)
        used = _is_used(image)
        if image.source == "TILED":
            for tile in image.tiles:
                yield Found("image", image.name, image.filepath, path.replace(UDIM, str(tile.number)), used)
        elif image.source == "SEQUENCE":
            for number_path, wanted in _image_sequence(path, users.get(image.as_pointer(), []), frames):
                yield Found("image", image.name, image.filepath, number_path, used and wanted)
        else:
            yield Found("image", image.name, image.filepath, path, used)


def _image_sequence(path: str, users: list[ImageUser], frames: tuple[int, int]) -> Iterator[tuple[str, bool]]:
    """Each file of the sequence that there is, and each that the scene's frames show."""
    there = _sequence(path)
    shown = {number for user in users for number in user.numbers(frames)}
    reachable = {number for user in users for number in user.all_numbers} if users else set(there)
    for number in sorted(shown | (reachable & set(there))):
        yield there.get(number) or _numbered(path, number), number in shown


def _sequence(path: str) -> dict[int, str]:
    """The files of the numbered sequence that ``path`` is one of, by number."""
    parts = _NUMBERED.fullmatch(Path(path).name)
    folder = Path(path).parent
    if parts is None or not folder.is_dir():
        return {}
    found = {}
    for file in folder.iterdir():
        other = _NUMBERED.fullmatch(file.name)
        if other and (other["head"], other["tail"]) == (parts["head"], parts["tail"]):
            found[int(other["number"])] = str(file)
    return found


def _numbered(path: str, number: int) -> str:
    parts = _NUMBERED.fullmatch(Path(path).name)
    if parts is None:
        return path
    digits = f"{number:0{len(parts['number'])}d}"
    return str(Path(path).with_name(parts["head"] + digits + parts["tail"]))


def _whole_sequence(kind: str, block: Any) -> Iterator[Found]:
    """All files of a sequence; the stored one must be among them."""
    path = absolute(block.filepath, block.library)
    for file in sorted({path, *_sequence(path).values()}):
        yield Found(kind, block.name, block.filepath, file, file == path and _is_used(block))


def _clips() -> Iterator[Found]:
    for clip in bpy.data.movieclips:
        if clip.source == "SEQUENCE":
            yield from _whole_sequence("movie clip", clip)
        else:
            yield from _simple("movie clip", [clip])


def _volumes() -> Iterator[Found]:
    for volume in bpy.data.volumes:
        if volume.is_sequence and volume.filepath and not _is_packed(volume):
            yield from _whole_sequence("volume", volume)
        else:
            yield from _simple("volume", [volume])


def _cache_files() -> Iterator[Found]:
    for cache in bpy.data.cache_files:
        if cache.is_sequence and cache.filepath:
            yield from _whole_sequence("cache", cache)
        else:
            yield from _simple("cache", [cache])


def _cache_folders() -> dict[str, str]:
    """Where simulations bake to, and for whom."""
    folders: dict[str, str] = {}
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            domain = getattr(modifier, "domain_settings", None)
            stored = getattr(domain, "cache_directory", "") or getattr(modifier, "bake_directory", "")
            if stored:
                folders.setdefault(stored, f"{thing.name}: {modifier.name}")
            for bake in getattr(modifier, "bakes", ()):
                if bake.use_custom_path and bake.directory:
                    folders.setdefault(bake.directory, f"{thing.name}: {modifier.name}")
    # Cloth, soft bodies, particles, rigid bodies and dynamic paint share one folder beside the .blend.
    folders.setdefault(f"//blendcache_{Path(bpy.data.filepath).stem}", "point caches")
    return folders


def _caches() -> Iterator[Found]:
    """What simulations baked to disk. A folder that is not there was not baked: nothing is missing."""
    for stored, name in _cache_folders().items():
        folder = Path(absolute(stored, None))
        if folder.is_dir():
            for file in sorted(folder.rglob("*")):
                inside = file.relative_to(folder).as_posix()
                yield Found("cache", name, f"{stored.rstrip('/')}/{inside}", str(file))


def _sequencer_paths() -> set[str]:
    paths: set[str] = set()
    for scene in bpy.data.scenes:
        for strip in compat.sequencer_strips(scene.sequence_editor) if scene.sequence_editor else ():
            paths.add(getattr(strip, "filepath", ""))
            directory = getattr(strip, "directory", "")
            paths.update(directory + element.filename for element in getattr(strip, "elements", None) or ())
    return paths


def _others(known: set[str]) -> Iterator[Found]:
    """Whatever else Blender names: IES, OSL, texts, mesh caches."""
    texts = {text.filepath for text in bpy.data.texts}
    owners = compat.file_owners()
    stored_paths = bpy.utils.blend_paths(absolute=False, packed=False, local=False)
    absolute_paths = bpy.utils.blend_paths(absolute=True, packed=False, local=False)
    for stored, path in zip(stored_paths, absolute_paths, strict=True):
        if stored and stored not in known and stored != BUILTIN and not Path(path).is_dir():
            owner = owners.get(stored)
            name = owner.name if owner else Path(path).name
            yield Found("file", name, stored, os.path.normpath(path), stored not in texts)
