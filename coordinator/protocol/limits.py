"""What a number, a name or a text of the protocol may be: shared validators, as ``field(validator=...)`` takes them.

The codec itself lets nothing in but finite numbers, integers of 64 bits and text that UTF-8 can hold. No I/O.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import Attribute

from ..errors import BadRequestError
from .frames import FIRST_FRAME, LAST_FRAME

Validator = Callable[[Any, "Attribute[Any]", Any], None]

MAX_LEASE = 10**18 - 1  # a lease is counted up by one; 18 digits fit every header, and an integer of SQLite
MAX_BYTES = 2**53 - 1  # of a file or a machine; the largest integer that every reader of JSON has exactly
MAX_COUNT = 2**31 - 1  # of samples, attempts, slaves, frames
MAX_SECONDS = 1e9  # of a render: 31 years
MAX_STALL = 1e6  # seconds, eleven days; also what a manifest may ask for
MAX_TIME = 1e11  # seconds since the epoch: the year 5138
MAX_TEXT = 10_000  # characters of a reason or an error: a screen or two; a frame's log has the rest
MAX_NAME = 100  # characters of a slave's name
MAX_HOST = 255  # characters: a host name of the DNS has no more

SHA256 = re.compile(r"[0-9a-f]{64}")
JOB_ID = re.compile(r"[0-9a-f]{16}")
SLAVE_ID = re.compile(r"[0-9a-f]{32}")
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
SERIES = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")  # of Blender: "4.5"
VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9].{0,80}")  # "4.5.15", and what Blender may write after it

_JOINERS = "\u200c\u200d"  # in words of some scripts, and in emoji
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # what the codec refuses


# --- values, one by one -----------------------------------------------------------------------------------------------


def check_sha256(text: str) -> str:
    """Return the name of a blob. Raises BadRequestError for a text that is none: it might be a path."""
    if not SHA256.fullmatch(text):
        raise BadRequestError(f"{text[:80]!r} is not a SHA-256 in lower-case hexadecimal")
    return text


def check_job_id(text: str) -> str:
    """Return the id of a job. Raises BadRequestError for a text that is none: it might be a path."""
    if not JOB_ID.fullmatch(text):
        raise BadRequestError(f"job {text[:40]!r} is not 16 hexadecimal digits")
    return text


def check_tags(tags: tuple[str, ...]) -> None:
    """Raises BadRequestError that names the tag which cannot be one."""
    for tag in tags:
        if not TAG.fullmatch(tag):
            raise BadRequestError(f"tags: {tag[:60]!r} is no tag; use up to 50 letters, digits, '.', '_' and '-'")


def readable(text: str) -> str:
    """Return a reason or an error as it may travel: what is no text is replaced, what is too long is cut.

    A field's converter and not its validator, because no failure may be lost for the words that tell it.
    """
    text = _NO_TEXT.sub("?", text)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def unprintable(character: str) -> bool:
    """Whether a terminal or a log would take it for a command, a line's end, or an order to write backwards."""
    return not character.isprintable() and character not in _JOINERS and unicodedata.category(character) != "Zs"


def printable(text: str, instead: Callable[[str], str] = lambda character: "_") -> str:
    """Return a text as it may be shown: ``instead`` has what stands for each character that may not."""
    if text.isprintable():
        return text
    return "".join(instead(character) if unprintable(character) else character for character in text)


def check_printable(what: str, text: str) -> str:
    """Return a name that is shown to people. Raises BadRequestError for one that does more than that."""
    if printable(text) != text:
        raise BadRequestError(f"{what} {text[:80]!r} has a character that cannot be shown; leave it out")
    return text


# --- validators -------------------------------------------------------------------------------------------------------


def between(least: float, most: float) -> Validator:
    """Make a validator of numbers; it refuses NaN too."""

    def check(_: Any, field: "Attribute[Any]", value: Any) -> None:
        if not least <= value <= most:
            raise ValueError(f"{field.name} must be from {least} to {most}, not {str(value)[:40]}")

    return check


def like(pattern: re.Pattern[str], what: str, *, empty: bool = False) -> Validator:
    """Make a validator of texts; with ``empty`` for a text that there need not be."""

    def check(_: Any, field: "Attribute[Any]", value: Any) -> None:
        if not pattern.fullmatch(value) and not (empty and value == ""):
            raise ValueError(f"{field.name} {value[:80]!r} is not {what}")

    return check


def each(validator: Validator) -> Validator:
    """Make a validator of all items of a tuple, or of all keys of a dictionary."""

    def check(owner: Any, field: "Attribute[Any]", values: Iterable[Any]) -> None:
        for value in values:
            validator(owner, field, value)

    return check


def either(*validators: Validator) -> Validator:
    """Make a validator that takes None, and else asks the given ones."""

    def check(owner: Any, field: "Attribute[Any]", value: Any) -> None:
        if value is not None:
            for validator in validators:
                validator(owner, field, value)

    return check


def at_most(characters: int) -> Validator:
    """Make a validator of the length of a text."""

    def check(_: Any, field: "Attribute[Any]", value: Any) -> None:
        if len(value) > characters:
            raise ValueError(f"{field.name} {value[:40]!r}... is longer than {characters} characters")

    return check


def shown(_: Any, field: "Attribute[Any]", value: str) -> None:
    """Validate a name that comes from outside and is shown; those that are stored already stay as they are."""
    check_printable(field.name, value)


def counts(_: Any, field: "Attribute[Any]", values: Mapping[str, int]) -> None:
    """Validate the values of a dictionary that counts something."""
    for value in values.values():
        A_COUNT(_, field, value)


A_FRAME = between(FIRST_FRAME, LAST_FRAME)
A_LEASE = between(0, MAX_LEASE)
A_SIZE = between(0, MAX_BYTES)
A_COUNT = between(0, MAX_COUNT)
A_TIME = between(0, MAX_TIME)
A_RENDER_TIME = between(0, MAX_SECONDS)
A_STALL = between(0, MAX_STALL)
A_PRIORITY = between(1, 10)
A_THREAD_COUNT = between(1, 65_536)
A_SHA256 = like(SHA256, "a SHA-256 in lower-case hexadecimal")
A_RESULT = like(SHA256, "a SHA-256 in lower-case hexadecimal, nor empty", empty=True)
A_JOB = like(JOB_ID, "16 hexadecimal digits")
A_JOB_OR_NONE = like(JOB_ID, "16 hexadecimal digits, nor empty", empty=True)
A_SLAVE = like(SLAVE_ID, "32 hexadecimal digits")
A_SLAVE_OR_NONE = like(SLAVE_ID, "32 hexadecimal digits, nor empty", empty=True)
A_SERIES_OR_NONE = like(SERIES, "a version such as 4.5, nor empty", empty=True)
A_VERSION = like(VERSION, "a version such as 4.5.15")
A_NAME = at_most(MAX_NAME)
A_HOST = at_most(MAX_HOST)
