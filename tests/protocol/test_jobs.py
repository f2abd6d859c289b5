"""Manifests: what they must be, and what their id depends on."""

import re
from typing import Any

import attrs
import pytest

from coordinator.errors import BadFramesError, BadPathError, BadRequestError, NetrenderError
from coordinator.protocol import codec
from coordinator.protocol.jobs import Counts, File, Manifest, RenderSettings
from coordinator.protocol.limits import JOB_ID, check_sha256

from ..submissions import manifest

SHA = "ab" * 32


def test_the_id_is_a_hash_of_all_of_it() -> None:
    one = manifest()
    assert JOB_ID.fullmatch(one.id) and one.id == manifest().id
    changes: list[dict[str, Any]] = [
        {"name": "other"},
        {"frames": "1-5"},
        {"chunk": 3},
        {"priority": 2},
        {"again": 1},
        {"results": "/srv/renders"},
        {"blender": "4.5"},
        {"features": ("denoiser",)},
        {"render": RenderSettings(scene="Scene", engine="CYCLES", samples=4)},
        {"files": (attrs.evolve(one.files[0], size=99),)},
    ]
    ids = {attrs.evolve(one, **change).id for change in changes}
    assert len(ids) == len(changes) and one.id not in ids


def test_the_id_survives_the_wire() -> None:
    one = manifest(name="Ünïcödé", files={"é/a b.blend": b"x"})
    assert codec.loads(codec.dumps(one), Manifest).id == one.id


def test_the_blobs_are_what_has_to_be_there() -> None:
    files = (File(path="a.blend", sha256=SHA, size=1), File(path="copy.blend", sha256=SHA, size=1))
    assert attrs.evolve(manifest(files={"a.blend": b""}), files=files).blobs == {SHA: 1}


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"name": ""}, ValueError, "name"),
        ({"name": "x" * 201}, ValueError, "name"),
        ({"frames": "1,2-3"}, None, ""),
        ({"frames": "3,1"}, BadRequestError, "canonical"),
        ({"frames": "1-3x2,5"}, None, ""),
        ({"frames": "4-1"}, BadFramesError, "backwards"),
        ({"blend": "b.blend"}, BadRequestError, "'b.blend' is not among"),
        ({"blender": "4"}, BadRequestError, "'4'"),
        ({"blender": "4.5.1"}, BadRequestError, "'4.5.1'"),
        ({"blender": "4.5\n"}, BadRequestError, "blender"),
        ({"chunk": -1}, ValueError, "chunk"),
        ({"chunk": 10_001}, ValueError, "chunk"),
        ({"results": "P:/renders"}, None, ""),
        ({"results": "renders"}, BadPathError, "not an absolute path"),
        ({"results": "/srv/../etc"}, BadPathError, "'..'"),
        ({"priority": 0}, ValueError, "priority"),
        ({"priority": 11}, ValueError, "priority"),
    ],
)
def test_what_a_manifest_may_be(change: dict[str, Any], error: type[Exception] | None, says: str) -> None:
    if error is None:
        attrs.evolve(manifest(), **change)
        return
    with pytest.raises(error, match=re.escape(says)):
        attrs.evolve(manifest(), **change)


def test_two_names_that_are_one_on_windows() -> None:
    with pytest.raises(BadRequestError, match=r"'Wood\.png' and 'wood\.png'"):
        manifest(files={"scene.blend": b"", "Wood.png": b"1", "wood.png": b"2"})


def test_the_same_path_twice() -> None:
    file = File(path="a.blend", sha256=SHA, size=1)
    with pytest.raises(BadRequestError, match="the same"):
        attrs.evolve(manifest(files={"a.blend": b""}), files=(file, attrs.evolve(file, sha256="cd" * 32)))


@pytest.mark.parametrize(
    ("change", "error"),
    [({"path": "../a"}, BadPathError), ({"sha256": "AB" * 32}, BadRequestError), ({"size": -1}, BadRequestError)],
)
def test_what_a_file_may_be(change: dict[str, Any], error: type[NetrenderError]) -> None:
    with pytest.raises(error):
        attrs.evolve(File(path="a", sha256=SHA, size=1), **change)


@pytest.mark.parametrize("change", [{"samples": 0}, {"samples": 2**24 + 1}, {"percentage": 0}, {"percentage": 1001}])
def test_what_render_settings_may_be(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        RenderSettings(scene="Scene", engine="CYCLES", **change)


@pytest.mark.parametrize("text", ["", "ab", "AB" * 32, "ab" * 32 + "\n", "gg" * 32])
def test_what_is_no_sha256(text: str) -> None:
    with pytest.raises(BadRequestError, match="SHA-256"):
        check_sha256(text)


def test_the_total_of_all_states() -> None:
    assert Counts(queued=1, dispatched=2, done=3, error=4).total == 10
