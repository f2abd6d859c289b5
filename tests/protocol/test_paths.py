"""Paths of a manifest: inside the job's folder, and possible everywhere."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.errors import BadPathError
from coordinator.protocol.paths import MAX_PART, MAX_PATH, check_folder, check_tree_path


@pytest.mark.parametrize(
    "path",
    [
        "scene.blend",
        "textures/wood 01.png",
        "a/b/c/d",
        "blendcache_scene/x.bphys",
        "ünïcödé/木.png",
        ".hidden",
        "...three",
        "console.png",
        "com10.exr",
        "nul_.txt",
        "a" * MAX_PART,
        "é" * (MAX_PART // 2),
    ],
)
def test_what_is_fine_is_returned(path: str) -> None:
    assert check_tree_path(path) == path


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "not relative"),
        ("/etc/passwd", "not relative"),
        ("//server/share", "not relative"),
        ("C:/x", "not relative"),
        ("c:x", "not relative"),
        ("..", "'..'"),
        ("../x", "'..'"),
        ("a/../../x", "'..'"),
        ("a/..", "'..'"),
        ("./x", "'.'"),
        ("a//b", "''"),
        ("a/", "''"),
        ("a\\b", "character"),
        ("..\\x", "character"),
        ("a\0b", "character"),
        ("a\nb", "character"),
        ("ab:stream", "character"),
        ("what?", "character"),
        ("a*", "character"),
        ("\ud800", "character"),
        ("CON", "Windows"),
        ("a/nul.txt", "Windows"),
        ("lpt1", "Windows"),
        ("com¹", "Windows"),
        ("a.", "Windows"),
        ("a /b", "Windows"),
        ("a" * (MAX_PART + 1), "longer"),
        ("é" * (MAX_PART // 2 + 1), "longer"),
        ("a/" * MAX_PATH + "a", "longer"),
    ],
)
def test_what_is_not_is_named(path: str, says: str) -> None:
    with pytest.raises(BadPathError) as caught:
        check_tree_path(path)
    assert says in caught.value.message and len(caught.value.message) < 400


@pytest.mark.parametrize("folder", ["/srv/renders", r"P:\renders\film 1", r"\\nas\renders", "//nas/renders", "/ünï/木"])
def test_a_folder_of_any_system_may_be_named(folder: str) -> None:
    assert check_folder(folder) == folder


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("", "absolute"),
        ("renders", "absolute"),
        ("//../renders", "'..'"),
        (r"P:\renders\..\x", "'..'"),
        ("/a/..", "'..'"),
        ("/a\0b", "character"),
        ("/a\nb", "character"),
        ("/\ud800", "character"),
        ("/a" * MAX_PATH, "longer"),
    ],
)
def test_what_is_no_folder_is_named(folder: str, says: str) -> None:
    with pytest.raises(BadPathError) as caught:
        check_folder(folder)
    assert says in caught.value.message and len(caught.value.message) < 400


pieces = st.sampled_from(["..", ".", "/", "\\", "a", "b.png", ":", "C:", " ", "\0", "é", "con", "~", "%2e"])


@given(st.lists(pieces, max_size=8).map("".join) | st.text(max_size=30))
def test_what_is_let_through_stays_inside(path: str) -> None:
    try:
        check_tree_path(path)
    except BadPathError:
        return
    for pure in (PurePosixPath(path), PureWindowsPath(path)):
        assert not pure.is_absolute() and not pure.drive and ".." not in pure.parts
    assert PureWindowsPath(path).parts == PurePosixPath(path).parts == tuple(path.split("/"))
