"""Path maps: both kinds of slashes, case as the client's system has it, and no way out."""

import pytest

from coordinator.errors import UnsuitableError, UsageError
from coordinator.pathmaps import PathMap, is_under, translate

WINDOWS = PathMap.parse(r"P:\proj=/mnt/proj")
SHARE = PathMap.parse(r"\\nas\Proj=/mnt/nas")
POSIX = PathMap.parse(r"/mnt/proj=P:\proj")


@pytest.mark.parametrize(
    ("one", "path", "found"),
    [
        (WINDOWS, r"P:\proj\tex\a.png", "/mnt/proj/tex/a.png"),
        (WINDOWS, "p:/PROJ/Tex/a.png", "/mnt/proj/Tex/a.png"),
        (WINDOWS, r"P:\proj", "/mnt/proj"),
        (WINDOWS, r"P:\project\a.png", None),
        (WINDOWS, r"P:\proj\..\secret.png", None),
        (SHARE, r"\\NAS\proj\a.png", "/mnt/nas/a.png"),
        (SHARE, "//nas/proj/a.png", "/mnt/nas/a.png"),
        (POSIX, "/mnt/proj/a b/ü.png", r"P:\proj\a b\ü.png"),
        (POSIX, "/mnt/Proj/a.png", None),
        (POSIX, "mnt/proj/a.png", None),
        (POSIX, "/mnt/proj/../../etc/passwd", None),
    ],
)
def test_where_a_path_leads(one: PathMap, path: str, found: str | None) -> None:
    assert one.apply(path) == found


def test_the_first_map_that_has_the_path_is_used() -> None:
    maps = [PathMap.parse("/mnt/proj/a=/a"), PathMap.parse("/mnt/proj=/proj")]
    assert translate("/mnt/proj/a/x", maps) == "/a/x"
    assert translate("/mnt/proj/b/x", maps) == "/proj/b/x"
    with pytest.raises(UnsuitableError, match=r"/etc/passwd .*--path-map"):
        translate("/etc/passwd", maps)


def test_a_folder_alone_is_called_the_same_on_both() -> None:
    assert PathMap.parse("/mnt/proj") == PathMap("/mnt/proj", "/mnt/proj")


@pytest.mark.parametrize("text", ["", "proj=/mnt", "/mnt=proj", "/mnt/../x=/y"])
def test_what_is_no_map_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write FROM=TO"):
        PathMap.parse(text)


def test_what_is_under_a_folder() -> None:
    assert is_under("/mnt/proj/a", "/mnt/proj/") and is_under("C:/A/b", r"c:\a")
    assert not is_under("/mnt/project", "/mnt/proj")
