"""What the options of a job become in its wishes."""

import os
from pathlib import Path

import pytest

from coordinator.cli.arguments import Parser, add_wishes, wishes


@pytest.mark.skipif(os.name != "posix", reason="on Windows a path without a drive is not absolute")
def test_folders_are_absolute_and_those_of_another_system_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parser = Parser()
    add_wishes(parser)
    shared = ["--shared", "tex/../lib", "--shared", r"P:\proj", "--shared", "/srv/a/"]
    wanted = wishes(parser.parse_args(["s.blend", *shared, "--results-to", "out"]))
    assert wanted.shared == (f"{tmp_path}/lib", r"P:\proj", "/srv/a")
    assert wanted.results_to == f"{tmp_path}/out"
    assert wishes(parser.parse_args(["s.blend", "--results-to", r"\\nas\out"])).results_to == r"\\nas\out"
    assert wishes(parser.parse_args(["s.blend"])).results_to == ""
