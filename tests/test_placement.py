from pathlib import PurePath, PurePosixPath, PureWindowsPath

import pytest

from coordinator.errors import BadPathError
from coordinator.placement import Placed, place
from coordinator.renderer import ExternalFile

BLEND = PurePosixPath("/home/ana/film/scene.blend")


def file(stored: str, path: str, kind: str = "image") -> ExternalFile:
    return ExternalFile(kind=kind, name="it", stored=stored, path=path)


def places(*files: ExternalFile, blend: PurePath = BLEND) -> list[tuple[str, str]]:
    """Path and stored of each."""
    return [(placed.path, placed.stored) for placed in place(blend, files)]


def test_files_beside_and_below_the_blend_keep_their_paths() -> None:
    assert places(file("//tex/a.png", "/home/ana/film/tex/a.png"), file("//b.png", "/home/ana/film/b.png")) == [
        ("scene.blend", ""),
        ("tex/a.png", ""),
        ("b.png", ""),
    ]


def test_a_relative_path_that_leads_up_moves_the_root() -> None:
    assert places(file("//../shared/a.png", "/home/ana/film/../shared/a.png")) == [
        ("film/scene.blend", ""),
        ("shared/a.png", ""),
    ]


def test_an_absolute_path_is_mapped_and_lies_where_it_is_if_that_is_near() -> None:
    assert places(file("/home/ana/film/tex/a.png", "/home/ana/film/tex/a.png")) == [
        ("scene.blend", ""),
        ("tex/a.png", "/home/ana/film/tex/a.png"),
    ]


def test_an_absolute_path_elsewhere_goes_outside_and_does_not_move_the_root() -> None:
    assert places(file("/srv/tex/a.png", "/srv/tex/a.png"), file("/opt/tex/a.png", "/opt/tex/a.png")) == [
        ("scene.blend", ""),
        ("_outside/srv/tex/a.png", "/srv/tex/a.png"),
        ("_outside/opt/tex/a.png", "/opt/tex/a.png"),
    ]


def test_a_library_takes_the_files_that_are_relative_to_it_along() -> None:
    assert places(
        file("/srv/lib/props.blend", "/srv/lib/props.blend", "library"), file("//wood.png", "/srv/lib/wood.png")
    ) == [
        ("home/ana/film/scene.blend", ""),
        ("srv/lib/props.blend", "/srv/lib/props.blend"),
        ("srv/lib/wood.png", ""),
    ]


def test_two_libraries_with_equally_named_textures_do_not_collide() -> None:
    found = places(
        file("//a/lib.blend", "/home/ana/film/a/lib.blend", "library"),
        file("//b/lib.blend", "/home/ana/film/b/lib.blend", "library"),
        file("//t.png", "/home/ana/film/a/t.png"),
        file("//t.png", "/home/ana/film/b/t.png"),
    )
    assert found[1:] == [("a/lib.blend", ""), ("b/lib.blend", ""), ("a/t.png", ""), ("b/t.png", "")]


def test_one_frame_of_a_sequence_is_mapped_and_the_others_stay_beside_it() -> None:
    stored = "/srv/seq/0002.png"
    assert places(*(file(stored, f"/srv/seq/000{n}.png") for n in (1, 2, 3)))[1:] == [
        ("_outside/srv/seq/0001.png", ""),
        ("_outside/srv/seq/0002.png", stored),
        ("_outside/srv/seq/0003.png", ""),
    ]


def test_one_tile_is_mapped_for_all() -> None:
    stored = "/srv/t.<UDIM>.png"
    assert places(file(stored, "/srv/t.1001.png"), file(stored, "/srv/t.1002.png"))[1:] == [
        ("_outside/srv/t.1001.png", stored),
        ("_outside/srv/t.1002.png", ""),
    ]


def test_the_files_of_a_cache_stay_together() -> None:
    assert places(*(file(f"/srv/cache/{n}", f"/srv/cache/{n}") for n in ("data/1.vdb", "config.uni")))[1:] == [
        ("_outside/srv/cache/data/1.vdb", "/srv/cache/data/1.vdb"),
        ("_outside/srv/cache/config.uni", "/srv/cache/config.uni"),
    ]


def test_one_file_under_two_absolute_spellings_is_there_for_both() -> None:
    found = places(file("/srv/a.png", "/srv/a.png"), file("/srv/x/../a.png", "/srv/x/../a.png"))
    assert {stored for _, stored in found[1:]} == {"/srv/a.png", "/srv/x/../a.png"}
    assert len({path for path, _ in found}) == 3


def test_one_file_referred_to_twice_is_there_once() -> None:
    assert places(file("//a.png", "/home/ana/film/a.png"), file("//a.png", "/home/ana/film/a.png"))[1:] == [
        ("a.png", "")
    ]
    # Relative by one, absolute by the other: one entry serves both.
    path = "/home/ana/film/a.png"
    assert places(file("//a.png", path), file(path, path))[1:] == [("a.png", path)]


def test_another_drive_goes_outside() -> None:
    blend = PureWindowsPath(r"C:\film\scene.blend")
    assert places(
        file(r"//tex\a.png", r"C:\film\tex\a.png"),
        file(r"D:\tex\b.png", r"D:\tex\b.png"),
        file(r"\\nas\share\c.png", r"\\nas\share\c.png"),
        blend=blend,
    ) == [
        ("scene.blend", ""),
        ("tex/a.png", ""),
        ("_outside/D/tex/b.png", r"D:\tex\b.png"),
        ("_outside/nas_share/c.png", r"\\nas\share\c.png"),
    ]


def test_a_name_that_windows_cannot_hold_is_changed_and_mapped() -> None:
    [blend, (path, stored)] = places(file("//what?.png", "/home/ana/film/what?.png"))
    assert (blend, path, stored) == (("scene.blend", ""), "_what_.png", "//what?.png")


def test_names_that_differ_only_in_case_get_different_places() -> None:
    found = places(file("//A.png", "/home/ana/film/A.png"), file("//a.png", "/home/ana/film/a.png"))
    assert found[1] == ("A.png", "")
    assert found[2][0].startswith("_outside/")
    assert found[2][1] == "//a.png"


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(BadPathError, match=r"both stored as '//what\?\.png'.*rename"):
        place(
            BLEND,
            [file("//what?.png", "/home/ana/film/a/what?.png"), file("//what?.png", "/home/ana/film/b/what?.png")],
        )


def test_the_source_is_what_blender_gave() -> None:
    path = "/home/ana/film/link/../a.png"  # a link may lead elsewhere: only Blender's own path is sure
    assert place(BLEND, [file("//link/../a.png", path)])[1] == Placed(source=path, path="a.png")
