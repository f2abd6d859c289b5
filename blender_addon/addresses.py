"""Where the coordinator is, and who says so: the scene, the preferences, the environment, or nobody. No bpy here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from . import farm

if TYPE_CHECKING:
    from coordinator.config import Address

OWN_MASTER, SCENE, PREFERENCES, ENVIRONMENT, NOBODY = "own master", "scene", "preferences", "environment", ""


@dataclass(frozen=True)
class Where:
    """What the scene and the preferences say about the coordinator."""

    address: str = ""  # of the scene: a host, an address, or a pairing line
    port: int = 0
    pairing_line: str = ""  # of the preferences
    coordinator: str = ""
    online: bool = True  # whether this Blender may reach beyond the local network
    own_master: str = ""  # the pairing line of the master that this Blender is: it comes first


def written(where: Where) -> tuple[str, str]:
    """Return who names the coordinator, and what is written there. It may have the farm's key in it."""
    text = where.address
    if text and where.port and "://" not in text and not text.rpartition(":")[2].isdigit():
        text = f"{text}:{where.port}"
    found = (
        (OWN_MASTER, where.own_master),
        (SCENE, text),
        (PREFERENCES, where.pairing_line or where.coordinator),
        (ENVIRONMENT, os.environ.get(farm.config.COORDINATOR_VARIABLE, "").strip()),
    )
    return next(((who, text) for who, text in found if text), (NOBODY, ""))


def named(where: Where) -> Address | None:
    """Return the address that somebody named. Raises UsageError if it is none, or if this Blender may not go there."""
    who, text = written(where)
    if not text:
        return None
    # The environment's is read once more by who says in an error that it is the environment's.
    found: Address = farm.config.Address.default() if who == ENVIRONMENT else farm.config.Address.parse(text)
    if not where.online and who != OWN_MASTER:
        farm.interfaces.require_local(found.host)
    return found


def pairing_line(address: Address) -> str:
    """What a user may type to reach it: with the key, if it asks for one."""
    if not address.token:
        return address.url
    return f"{address.url.replace('http://', 'netrender://', 1)}/#{quote(address.token)}"


_ORIGINS = {  # what stands in the field where the scene names no address, and what is said below it
    PREFERENCES: ("From the preferences", "of the extension's preferences"),
    ENVIRONMENT: ("From the environment", "of the environment variable NETRENDER_COORDINATOR"),
    NOBODY: ("Found by itself", ""),
    SCENE: ("", ""),  # it stands in the field
}


def origin(where: Where) -> tuple[str, str]:
    """Return who names the coordinator, in few words and as a line with the address, which is without its key."""
    who, text = written(where)
    if who == OWN_MASTER:
        return "", f"This Blender is the master at {_without_key(text)}"
    short, line = _ORIGINS[who]
    return short, f"Master {_without_key(text)}, {line}" if line else ""


def _without_key(text: str) -> str:
    try:
        found: Address = farm.config.Address.parse(text)
    except farm.errors.UsageError:
        return "with an address that is none"  # and is not repeated, because a part of it may be a key
    return found.url.removeprefix("http://")
