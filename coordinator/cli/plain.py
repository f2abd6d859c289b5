"""Texts of other machines, as a terminal and a log may have them: no character in them is a command."""

import json
import logging

from ..protocol.limits import printable


def plain(text: str) -> str:
    """A text with what would command a terminal spelled out; it may have several lines."""
    return printable(text, lambda character: character if character in "\n\t" else spelled(character))


def spelled(character: str) -> str:
    """Spell a character as Python does: ``\\x1b``."""
    return repr(character)[1:-1]


class LogFormatter(logging.Formatter):
    """A line for each record: what other machines say makes no line that looks like another's."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # logging's name
        record.message = plain(record.message).replace("\n", "\n    ")
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


def json_line(text: str) -> None:
    """JSON on a line of its own; what would command a terminal is spelled as JSON spells it."""
    print(printable(text, lambda character: json.dumps(character)[1:-1]), flush=True)
