"""No text that leaves a slave tells where it keeps things; what it tells instead is of use to the job's owner."""

from pathlib import Path

import pytest

from coordinator.pathmaps import PathMap
from coordinator.protocol import messages
from coordinator.slave.names import Names

JOB = "0123456789abcdef"
UNIX = Names.of(
    ["/srv/farm/s1"],
    [PathMap("P:\\proj", "/mnt/p"), PathMap("/same", "/same"), PathMap("/vol/x", "/srv/x"), PathMap("//nas/all", "/")],
    home="/srv",
)
WINDOWS = Names.of(
    ["C:\\Users\\anna\\netrender\\slave-1"],
    [PathMap("/mnt/proj", "P:\\proj"), PathMap("//nas/tex", "\\\\nas01\\tex")],
    home="C:\\Users\\anna",
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"Read blend: '/srv/farm/s1/cache/jobs/{JOB}/files/film/s.blend'", "Read blend: 'film/s.blend'"),
        (f"cannot read /srv/farm/s1/cache/jobs/{JOB}/files/tex/a.png: No such", "cannot read tex/a.png: No such"),
        (f"/srv/farm/s1/cache/jobs/{JOB}/files/my tex/a b.png is gone", "my tex/a b.png is gone"),
        (f"in /srv/farm/s1/cache/jobs/{JOB}/files.", "in <job>."),
        (f"in /srv/farm/s1/cache/jobs/{JOB}/files/", "in <job>"),
        ("/srv/farm/s1/cache/jobs", "cache/jobs"),
        ("Saved: /srv/farm/s1/work/7/12.exr.part", "Saved: 12.exr.part"),
        ("Saved: /srv/farm/s1/work/results-0123456789abcdef/12.exr.part", "Saved: 12.exr.part"),
        ("the result in /srv/farm/s1/work/7 is not whole", "the result in <work> is not whole"),
        ("/srv/farm/s1/temp/netrender-renderer-x/blender_a/b", "<temp>/netrender-renderer-x/blender_a/b"),
        ("[Errno 28] No space left: '/srv/farm/s1/outbox/7_12.exr'", "[Errno 28] No space left: 'outbox/7_12.exr'"),
        ("/srv/farm/s1 is full", "<slave> is full"),
        ("/srv//farm/s1///cache//jobs/x//files//a.png", "a.png"),
        ("file:///srv/farm/s1/cache/jobs/x/files/a.png", "file:a.png"),
        ("-I/srv/farm/s1/cache/jobs/x/files/osl", "-Iosl"),
        ("/srv/farm/s10/a", "~/farm/s10/a"),
        ("/srv/farm/s1.old/a", "~/farm/s1.old/a"),
        ("/srv/farm/s1-2/a", "~/farm/s1-2/a"),
        ('File "/srv/venv/lib/bpy.py", line 3', 'File "~/venv/lib/bpy.py", line 3'),
        ("ends in /srv.", "ends in ~."),
        ("/srv/x/a.png", "/vol/x/a.png"),
        ("/mnt/p/tex/a.png, which", "P:\\proj\\tex\\a.png, which"),
        ("/mnt/p", "P:\\proj"),
        ("/mnt/pictures/a.png", "/mnt/pictures/a.png"),
        ("/other/mnt/p/a.png and /other/srv/a", "/other/mnt/p/a.png and /other/srv/a"),
        ("/same/a.png", "/same/a.png"),
        ("/usr/lib/x.so", "/usr/lib/x.so"),
        ("a/b, 3/4, //tex/a.png and \\n", "a/b, 3/4, //tex/a.png and \\n"),
        ("/srv/a /srv/b\n/srv/farm/s1/work/1/2.exr\n", "~/a ~/b\n2.exr\n"),
    ],
)
def test_names_for_paths(text: str, told: str) -> None:
    assert UNIX.in_text(text) == told
    assert Names().in_text(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (rf"C:\Users\anna\netrender\slave-1\cache\jobs\{JOB}\files\tex\a.png", "tex/a.png"),
        (rf"c:/users/Anna/netrender/slave-1\cache/jobs/{JOB}/files/tex\a.png", "tex/a.png"),
        (r"'C:\\Users\\anna\\netrender\\slave-1\\work\\7\\12.exr'", "'12.exr'"),
        (r"\\?\C:\Users\anna\netrender\slave-1\temp\x", r"\\?\<temp>/x"),
        (r"C:\Users\anna\Desktop\a.png", "~/Desktop/a.png"),
        (r"p:\PROJ\tex\a.png", "/mnt/proj/tex/a.png"),
        (r"\\NAS01\tex\a.png", "//nas/tex/a.png"),
        (r"D:\Users\anna\a.png", r"D:\Users\anna\a.png"),
    ],
)
def test_names_for_paths_of_windows(text: str, told: str) -> None:
    assert WINDOWS.in_text(text) == told


def test_a_folder_is_known_by_where_its_links_lead_and_from_where_they_do(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    (real / "slave").mkdir(parents=True)
    link.symlink_to(real)
    names = Names.of([str(link / "slave")], [PathMap("/client", str(link))])
    for folder in (real, link):
        assert names.in_text(f"{folder}/slave/work/1/2.exr") == "2.exr"
        assert names.in_text(f"{folder}/a.png") == "/client/a.png"


def test_a_folder_that_was_given_relative_to_where_the_slave_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = Names.of(["data"])
    assert names.in_text(f"data is data/x, in {tmp_path}/data/x") == "data is data/x, in x"


def test_what_people_read_of_a_message_is_changed_and_nothing_else() -> None:
    failed = messages.Failed(lease=1, frame=2, message="cannot read /srv/farm/s1/work/1/2.exr")
    assert UNIX.in_message(failed) == messages.Failed(lease=1, frame=2, message="cannot read 2.exr")
    goodbye = messages.Goodbye(reason="no room in /srv/farm/s1")
    assert UNIX.in_message(goodbye) == messages.Goodbye(reason="no room in <slave>")
    progress = messages.Progress(lease=1, frame=2, sample=3, samples=4)
    assert UNIX.in_message(progress) == progress


@pytest.mark.parametrize("text", ["/", "\\", "/srv", "/srv/", "a:", "/srv/farm/s1/cache/jobs/a"])
def test_a_text_that_repeats_itself_takes_no_longer(text: str) -> None:
    """It would take hours, were it looked at anew from each of its letters."""
    assert UNIX.in_text(text * 100_000)
