from pathlib import PurePath, PurePosixPath, PureWindowsPath

from coordinator.placement import Placed, Placement, place
from coordinator.renderer import ExternalFile

BLEND = PurePosixPath("/home/ana/film/scene.blend")


def file(stored: str, path: str, kind: str = "image", target: str = "", blend: str = "") -> ExternalFile:
    return ExternalFile(kind=kind, name="it", stored=stored, path=path, target=target, blend=blend)


def placed(*files: ExternalFile, blend: PurePath = BLEND, shared: tuple[str, ...] = ()) -> Placement:
    return place(blend, files, shared)


def places(*files: ExternalFile, blend: PurePath = BLEND) -> list[tuple[str, str]]:
    """Each file's path, and the stored path that is mapped to it."""
    found = place(blend, files)
    mapped = {each.path: each.stored for each in found.mapped}
    return [(each.path, mapped.pop(each.path, "")) for each in found.files] + list(mapped.items())


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
        file("/srv/lib/props.blend", "/srv/lib/props.blend", "library"),
        file("//wood.png", "/srv/lib/wood.png", blend="/srv/lib/props.blend"),
    ) == [
        ("home/ana/film/scene.blend", ""),
        ("srv/lib/props.blend", "/srv/lib/props.blend"),
        ("srv/lib/wood.png", ""),
    ]


def test_two_libraries_with_equally_named_textures_do_not_collide() -> None:
    found = places(
        file("//a/lib.blend", "/home/ana/film/a/lib.blend", "library"),
        file("//b/lib.blend", "/home/ana/film/b/lib.blend", "library"),
        file("//t.png", "/home/ana/film/a/t.png", blend="/home/ana/film/a/lib.blend"),
        file("//t.png", "/home/ana/film/b/t.png", blend="/home/ana/film/b/lib.blend"),
    )
    assert found[1:] == [("a/lib.blend", ""), ("b/lib.blend", ""), ("a/t.png", ""), ("b/t.png", "")]


def test_the_files_of_a_sequence_stay_together_and_their_path_is_mapped() -> None:
    stored = "/srv/seq/0002.png"
    assert places(*(file(stored, f"/srv/seq/000{n}.png", target=stored) for n in (1, 2, 3)))[1:] == [
        ("_outside/srv/seq/0001.png", ""),
        ("_outside/srv/seq/0002.png", stored),
        ("_outside/srv/seq/0003.png", ""),
    ]


def test_a_sequence_whose_stored_file_is_not_needed() -> None:
    stored = "/srv/seq/0001.png"
    found = placed(file(stored, "/srv/seq/0007.png", target=stored))
    assert [each.path for each in found.files] == ["scene.blend", "_outside/srv/seq/0007.png"]
    assert [(each.stored, each.path) for each in found.mapped] == [(stored, "_outside/srv/seq/0001.png")]


def test_a_set_of_tiles_keeps_its_token() -> None:
    for name in ("t.<UDIM>.png", "what? t.<UDIM>.png"):
        stored = f"/srv/{name}"
        numbers = [f"/srv/{name.replace('<UDIM>', str(n))}" for n in (1001, 1002)]
        found = placed(*(file(stored, path, target=stored) for path in numbers))
        (mapped,) = found.mapped
        assert mapped.path.startswith("_outside/srv/") and "<UDIM>" in mapped.path
        assert [each.path for each in found.files[1:]] == [mapped.path.replace("<UDIM>", n) for n in ("1001", "1002")]


def test_a_cache_is_mapped_as_a_folder() -> None:
    stored = "/srv/cache"
    found = placed(*(file(stored, f"/srv/cache/{n}", target=stored) for n in ("data/1.vdb", "config.uni")))
    assert [each.path for each in found.files[1:]] == ["_outside/srv/cache/data/1.vdb", "_outside/srv/cache/config.uni"]
    assert [(each.stored, each.path) for each in found.mapped] == [(stored, "_outside/srv/cache")]


def test_what_blender_finds_by_the_name_of_the_blend_follows_that_name() -> None:
    blend = PurePosixPath("/home/ana/film/what?.blend")
    folder = "/home/ana/film/blendcache_what?"
    found = place(blend, [file("", f"{folder}/x_000001_00.bphys", "point cache", target=folder)])
    assert [each.path for each in found.files] == ["_what_.blend", "blendcache__what_/x_000001_00.bphys"]
    assert not found.mapped


def test_one_file_under_two_absolute_spellings_is_there_for_both() -> None:
    found = placed(file("/srv/a.png", "/srv/a.png"), file("/srv/x/../a.png", "/srv/x/../a.png"))
    assert {each.stored for each in found.mapped} == {"/srv/a.png", "/srv/x/../a.png"}
    assert {each.path for each in found.mapped} == {"_outside/srv/a.png"} == {each.path for each in found.files[1:]}


def test_the_frames_of_a_file_are_those_of_all_who_want_it() -> None:
    path = "/home/ana/film/a.png"

    def frames(*ranges: str) -> str:
        files = [
            ExternalFile(kind="image", name="it", stored=f"//{n}/../a.png", path=path, frames=text)
            for n, text in enumerate(ranges)
        ]
        return place(BLEND, files).files[1].frames

    assert frames("1-3", "5") == "1-3,5"
    assert frames("1-3", "") == ""
    assert frames(",".join(map(str, range(1, 999, 2)))) == "", "too long to be worth saying"


def test_files_on_a_shared_drive_stay_where_they_are() -> None:
    found = placed(
        file("/mnt/proj/a.png", "/mnt/proj/a.png"),
        file("/mnt/project/b.png", "/mnt/project/b.png"),
        file("/mnt/proj/lib.blend", "/mnt/proj/lib.blend", "library"),
        file("//../far.png", "/mnt/far.png", blend="/mnt/proj/lib.blend"),
        shared=("/mnt/proj",),
    )
    assert [each.source for each in found.files] == [str(BLEND), "/mnt/project/b.png", "/mnt/far.png"]
    mapped = {(each.blend, each.stored): each.path for each in found.mapped}
    blend = found.files[0].path
    assert mapped[blend, "/mnt/proj/a.png"] == "/mnt/proj/a.png"
    assert mapped["/mnt/proj/lib.blend", "//../far.png"] == found.files[2].path


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
    found = placed(file("//A.png", "/home/ana/film/A.png"), file("//a.png", "/home/ana/film/a.png"))
    first, second = (each.path for each in found.files[1:])
    assert first == "A.png" and second.startswith("_outside/") and second.endswith("/a.png")
    assert [(each.stored, each.path) for each in found.mapped] == [("//a.png", second)]


def test_a_sequence_in_a_folder_that_differs_only_in_case_moves_as_one() -> None:
    def sequence(folder: str) -> list[ExternalFile]:
        stored = f"//{folder}/1.png"
        target = f"/home/ana/film/{folder}/1.png"
        return [file(stored, f"/home/ana/film/{folder}/{n}.png", target=target) for n in (1, 2)]

    found = placed(*sequence("Tex"), *sequence("tex")[1:], *sequence("tex")[:1])
    moved = [each.path for each in found.files[3:]]
    assert {path.rpartition("/")[0] for path in moved} == {found.mapped[0].path.rpartition("/")[0]}
    assert {path.rpartition("/")[2] for path in moved} == {"1.png", "2.png"}


def test_the_same_stored_path_in_two_libraries_may_be_mapped_to_two_files() -> None:
    found = placed(
        file("//a/l.blend", "/home/ana/film/a/l.blend", "library"),
        file("//b/l.blend", "/home/ana/film/b/l.blend", "library"),
        file("//what?.png", "/home/ana/film/a/what?.png", blend="/home/ana/film/a/l.blend"),
        file("//what?.png", "/home/ana/film/b/what?.png", blend="/home/ana/film/b/l.blend"),
    )
    assert {(each.blend, each.path) for each in found.mapped} == {
        ("a/l.blend", "a/_what_.png"),
        ("b/l.blend", "b/_what_.png"),
    }


def test_the_source_is_what_blender_gave() -> None:
    path = "/home/ana/film/link/../a.png"  # a link may lead elsewhere: only Blender's own path is sure
    assert place(BLEND, [file("//link/../a.png", path)]).files[1] == Placed(source=path, path="a.png")


def test_a_configuration_of_colours_keeps_its_tables_beside_it() -> None:
    config = "/srv/ocio/config.ocio"
    found = placed(*(file("", f"/srv/ocio/{name}", "colors", target=config) for name in ("config.ocio", "luts/a.cube")))
    assert [each.path for each in found.files[1:]] == ["_outside/srv/ocio/config.ocio", "_outside/srv/ocio/luts/a.cube"]
    assert not found.mapped
