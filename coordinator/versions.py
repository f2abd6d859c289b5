"""Who speaks which protocol, told so that whoever reads it knows which side to update."""

import re
from typing import Any

from attrs import field, frozen

from . import __version__
from .constants import PROTOCOL_VERSION

_NETRENDER = re.compile(r"[0-9A-Za-z.+!_-]{1,40}")
_MOST = 10**6  # a protocol's number above it is nonsense, and would only be long


def _number(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < _MOST else None


def _name(value: Any) -> str:
    return value if isinstance(value, str) and _NETRENDER.fullmatch(value) else ""


@frozen(kw_only=True)
class Side:
    """One of the two that talk. What it told of itself may be of any type, because it may be of any version."""

    who: str  # "the coordinator at URL", "this client"
    place: str  # where it is updated: "on the coordinator's machine", "here"
    netrender: str = field(default=__version__, converter=_name)  # empty: it did not tell
    protocol: int | None = field(default=PROTOCOL_VERSION, converter=_number)  # None: it told nonsense

    def __str__(self) -> str:
        netrender = f"Netrender {self.netrender}" if self.netrender else "a Netrender that does not tell its version"
        protocol = "no protocol that has a number" if self.protocol is None else f"protocol {self.protocol}"
        return f"{self.who} ({netrender}) speaks {protocol}"


def mismatch(one: Side, other: Side) -> str:
    """Say what both speak, and where Netrender is to be updated."""
    if one.protocol is None or other.protocol is None or one.protocol == other.protocol:
        remedy = "install the same Netrender on both"
    else:
        older = one if one.protocol < other.protocol else other
        remedy = f"update Netrender {older.place}"
    return f"{one}, {other}: {remedy}"
