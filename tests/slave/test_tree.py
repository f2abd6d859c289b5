"""What of a job is laid out for which frames, where its paths lead, and that no manifest leads out of its folder."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from coordinator.errors import BadPathError, BadRequestError, UnsuitableError
from coordinator.pathmaps import PathMap
from coordinator.protocol import codec
from coordinator.protocol.jobs import Manifest, Mapped
from coordinator.slave.api import Api
from coordinator.slave.cache import Cache
from coordinator.slave.rooms import TREE
from coordinator.slave.trace import Trace
from coordinator.slave.tree import resolve

from ..submissions import manifest
from .standin import StandIn

FILES = {"scene.blend": b"scene", "seq/1.png": b"one", "seq/2.png": b"two", "seq/3.png": b"three"}


def job(**changes: Any) -> Manifest:
    """Each file of the sequence is for the frame of its number."""
    whole = manifest("1-3", files=FILES)
    files = [attrs.evolve(file, frames=file.path[4]) if file.path.startswith("seq") else file for file in whole.files]
    return attrs.evolve(whole, files=tuple(files), **changes)


def announced(standin: StandIn, made: Manifest) -> Manifest:
    standin.jobs[made.id] = made
    standin.blobs |= {file.sha256: FILES[file.path] for file in made.files}
    return made


def laid_out(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_only_the_files_of_the_frames_are_fetched(standin: StandIn, api: Api, tmp_path: Path) -> None:
    cache = Cache(tmp_path, api, Trace(None))
    made = announced(standin, job())
    first = await cache.prepare(made.id, (2,))
    assert laid_out(first.folder) == {"scene.blend": b"scene", "seq/2.png": b"two"}
    assert len([line for line in standin.requests if "blob" in line]) == 2
    inode = first.blend.stat().st_ino
    second = await cache.prepare(made.id, (2, 3))
    assert laid_out(second.folder) == {"scene.blend": b"scene", "seq/2.png": b"two", "seq/3.png": b"three"}
    assert len([line for line in standin.requests if "blob" in line]) == 3
    assert second.blend.stat().st_ino == inode, "frames may render meanwhile: what is there stays"
    assert len([line for line in standin.requests if "manifest" in line]) == 1


def test_mapped_paths_lead_into_the_tree_or_to_a_shared_drive(tmp_path: Path) -> None:
    shared = tmp_path / "drive"
    shared.mkdir()
    (shared / "a.png").touch()
    mapped = (
        Mapped(blend="scene.blend", stored="/srv/2.png", path="seq/2.png"),
        Mapped(blend="scene.blend", stored=r"P:\proj\a.png", path=r"P:\proj\a.png"),
    )
    tree = resolve("1", job(mapped=mapped), tmp_path / "tree", [PathMap.parse(rf"p:\PROJ={shared}")])
    blend = str(tmp_path / "tree" / "scene.blend")
    assert tree.mapped == (
        {"blend": blend, "stored": "/srv/2.png", "path": str(tmp_path / "tree" / "seq" / "2.png")},
        {"blend": blend, "stored": r"P:\proj\a.png", "path": str(shared / "a.png")},
    )
    assert tree.inside == (str(tmp_path / "tree"), str(shared))


def test_a_shared_file_that_is_not_reached_is_named(tmp_path: Path) -> None:
    made = job(mapped=(Mapped(blend="scene.blend", stored="/mnt/a.png", path="/mnt/a.png"),))
    with pytest.raises(UnsuitableError, match=r"/mnt/a\.png in place.*--path-map"):
        resolve("1", made, tmp_path, [])
    with pytest.raises(UnsuitableError, match=r"/mnt/a\.png.*is not there.*mounted"):
        resolve("1", made, tmp_path, [PathMap.parse(f"/mnt={tmp_path / 'away'}")])


BAD_PATHS = {
    "absolute": "/etc/passwd",
    "drive": "C:/windows/x",
    "share": r"\\nas\x",
    "up": "../x",
    "up inside": "a/../../x",
    "dot": "./x",
    "empty part": "a//x",
    "device": "dev/null/nul",
    "reserved": "tex/COM1.png",
    "trailing dot": "a./x",
    "stream": "a.png:stream",
    "300 characters": "n" * 300,
    "control": "a\nb",
}


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=BAD_PATHS)
def test_a_manifest_cannot_name_a_bad_path(path: str) -> None:
    good = codec.unstructure(job())
    for place in (good["files"][1], good):
        if place is good:
            place["mapped"] = [{"blend": "scene.blend", "stored": "x", "path": path}]
        else:
            place["path"] = path
        with pytest.raises((BadPathError, BadRequestError)) as caught:
            codec.structure(good, Manifest)
        assert repr(path)[1:40] in caught.value.message
        if place is not good:
            place["path"] = "seq/1.png"
        if path in ("/etc/passwd", "C:/windows/x", r"\\nas\x"):
            break  # as the end of a mapped path these mean a shared drive, which only a slave's own path maps open


async def test_a_slave_trusts_no_manifest(standin: StandIn, api: Api, tmp_path: Path) -> None:
    """As if the coordinator did not check: nothing is written outside of the job's folder."""
    data = tmp_path / "slave"
    for number, path in enumerate(BAD_PATHS.values()):
        made = job(again=number)
        object.__setattr__(made.files[1], "path", path)
        announced_id = f"{number:016x}"
        standin.jobs[announced_id] = made
        standin.blobs |= {file.sha256: data for file, data in zip(made.files, FILES.values(), strict=True)}
        with pytest.raises(BadPathError):
            await Cache(data, api, Trace(None)).prepare(announced_id, (1, 2, 3))
    assert {path.partition("/")[0] for path in laid_out(tmp_path)} <= {"slave"}
    assert laid_out(data / "jobs") == {}


async def test_a_link_in_the_tree_is_not_followed(standin: StandIn, api: Api, tmp_path: Path) -> None:
    """What is in the way is replaced, and not written through."""
    cache = Cache(tmp_path / "slave", api, Trace(None))
    made = announced(standin, job())
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    place = tmp_path / "slave" / "jobs" / made.id / TREE / "seq" / "2.png"
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    tree = await cache.prepare(made.id, (2,))
    assert (tree.folder / "seq" / "2.png").read_bytes() == b"two"
    assert outside.read_bytes() == b"precious"
