"""What two of different versions are told: coordinator/versions.py."""

from typing import Any

import pytest

from coordinator import __version__
from coordinator.constants import PROTOCOL_VERSION
from coordinator.versions import Side, mismatch

HERE = Side(who="this client", place="here")


def there(netrender: Any = "9.9", protocol: Any = PROTOCOL_VERSION) -> Side:
    return Side(who="the coordinator", place="there", netrender=netrender, protocol=protocol)


@pytest.mark.parametrize(
    ("step", "remedy"),
    [(1, "update Netrender here"), (-1, "update Netrender there"), (0, "install the same Netrender on both")],
)
def test_both_versions_are_named_and_where_to_update(step: int, remedy: str) -> None:
    assert mismatch(there(protocol=PROTOCOL_VERSION + step), HERE) == (
        f"the coordinator (Netrender 9.9) speaks protocol {PROTOCOL_VERSION + step}, "
        f"this client (Netrender {__version__}) speaks protocol {PROTOCOL_VERSION}: "
        f"{remedy}"
    )


@pytest.mark.parametrize("netrender", [None, 3, "", "a" * 41, "1\n2", "\ud800", ["0.1"], {}])
def test_a_version_that_is_none_is_not_repeated(netrender: Any) -> None:
    told = mismatch(there(netrender, PROTOCOL_VERSION - 1), HERE)
    assert "(a Netrender that does not tell its version) speaks protocol" in told
    assert len(told) < 250


@pytest.mark.parametrize("protocol", [None, "3", True, 3.0, -1, 10**400, [], {}, float("nan")])
def test_a_protocol_that_is_none_is_not_repeated(protocol: Any) -> None:
    told = mismatch(there(protocol=protocol), HERE)
    assert "the coordinator (Netrender 9.9) speaks no protocol that has a number" in told
    assert told.endswith("install the same Netrender on both")
    assert len(told) < 250
