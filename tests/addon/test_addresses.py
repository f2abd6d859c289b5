"""Where the coordinator is, and who says so. No Blender here."""

import pytest

from blender_addon import addresses, farm
from blender_addon.addresses import Where
from coordinator.config import COORDINATOR_VARIABLE, Address
from coordinator.errors import UsageError

LINE = "netrender://10.0.0.7:9000/#secret"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COORDINATOR_VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("where", "environment", "who", "text"),
    [
        (Where("scene", 9000, "line", "host", own_master="own"), "env", addresses.OWN_MASTER, "own"),
        (Where("scene", 9000, "line", "host"), "env", addresses.SCENE, "scene:9000"),
        (Where("scene:1", 9000), "", addresses.SCENE, "scene:1"),
        (Where("", 9000, "line", "host"), "env", addresses.PREFERENCES, "line"),
        (Where("", 9000, "", "host"), "env", addresses.PREFERENCES, "host"),
        (Where("", 9000), " env ", addresses.ENVIRONMENT, "env"),
        (Where("", 9000), "", addresses.NOBODY, ""),
        (Where("", 9000), " ", addresses.NOBODY, ""),
    ],
)
def test_who_is_asked_first(
    where: Where, environment: str, who: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COORDINATOR_VARIABLE, environment)
    assert addresses.written(where) == (who, text)
    found = addresses.named(where)
    assert found == (Address.parse(text) if text else None)


@pytest.mark.parametrize("where", [Where(LINE), Where(pairing_line=LINE), Where(own_master=LINE), Where()])
def test_the_key_is_used_and_never_shown(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COORDINATOR_VARIABLE, LINE)
    named = addresses.named(where)
    assert named is not None
    assert (named.token, addresses.pairing_line(named)) == ("secret", LINE)
    assert "secret" not in " ".join(addresses.origin(where))


def test_an_address_in_the_environment_that_is_none_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COORDINATOR_VARIABLE, "ftp://farm/#secret")
    with pytest.raises(UsageError, match=COORDINATOR_VARIABLE) as caught:
        addresses.named(Where())
    assert "secret" not in caught.value.message + " ".join(addresses.origin(Where()))


def test_the_internet_needs_permission_whoever_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in (Where("8.8.8.8", online=False), Where(coordinator="8.8.8.8", online=False), Where(online=False)):
        monkeypatch.setenv(COORDINATOR_VARIABLE, "8.8.8.8:8470")
        with pytest.raises(UsageError, match="not allowed to go online"):
            addresses.named(where)


def test_the_variable_has_the_name_that_is_shown() -> None:
    assert any(COORDINATOR_VARIABLE in line for _, line in addresses._ORIGINS.values())
    assert farm.config.COORDINATOR_VARIABLE == COORDINATOR_VARIABLE
