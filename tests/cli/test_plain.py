"""What other machines call themselves, and say, commands no terminal and makes no line of a log."""

import json
import logging

import pytest

from coordinator.cli import output
from coordinator.cli.plain import LogFormatter, json_line, plain

EVIL = "a\n\x1b[2J\u202e\x9b\r"


def test_a_text_keeps_its_lines_and_its_words() -> None:
    assert plain(EVIL) == "a\n\\x1b[2J\\u202e\\x9b\\r"
    for honest in ("scene 1", "Gerüst", "雪\u3000山", "👩\u200d🎨", "1\xa0000"):
        assert plain(honest) == honest


def test_the_cell_of_a_table_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["name", "id"], [[EVIL, "7"]])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["name", "id"],
        ["a\\n\\x1b[2J\\u202e\\x9b\\r", "7"],
    ]


def test_remarks_and_results(capsys: pytest.CaptureFixture[str]) -> None:
    output.say(EVIL)
    output.show(EVIL)
    said = capsys.readouterr()
    assert said.out == plain(EVIL) + "\n" and said.err == f"netrender: {plain(EVIL)}\n"


def test_json_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    for text in (EVIL, "\U000e0001", "\udcff"):
        json_line(json.dumps({"name": text}, ensure_ascii=False))
        line = capsys.readouterr().out
        assert json.loads(line) == {"name": text} and plain(line) == line and line.count("\n") == 1


def test_a_message_is_no_other_line_of_the_log() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "slave left: %s", ("x\nINFO all is \x1b[2Jwell",), None)
    assert LogFormatter("%(levelname)s %(message)s").format(record).splitlines() == [
        "INFO slave left: x",
        "    INFO all is \\x1b[2Jwell",
    ]
