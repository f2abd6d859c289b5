import pytest

from coordinator.config import COORDINATOR_VARIABLE, Address
from coordinator.errors import UsageError


@pytest.mark.parametrize(
    ("text", "url", "token"),
    [
        ("farm:9000", "http://farm:9000", ""),
        ("farm", "http://farm:8470", ""),
        (" 10.0.0.7 ", "http://10.0.0.7:8470", ""),
        ("http://farm:9000/", "http://farm:9000", ""),
        ("[::1]:9000", "http://[::1]:9000", ""),
        ("netrender://farm:9000/#a-b_c", "http://farm:9000", "a-b_c"),
        ("netrender://farm:9000/#key+fingerprint", "http://farm:9000", "key+fingerprint"),
    ],
)
def test_an_address_is_read(text: str, url: str, token: str) -> None:
    assert Address.parse(text) == Address(url=url, token=token)


@pytest.mark.parametrize(
    "text",
    ["", "http://", "ftp://farm", "farm:port", "farm:70000", "http://farm/jobs", "farm?x=1", "netrender://farm:1/"],
)
def test_what_is_no_address_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        Address.parse(text)


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(Address.parse("netrender://farm/#secret"))
    for wrong in ("netrender://farm:70000/#secret", "ftp://farm/#secret", "netrender://farm/jobs#secret", "#secret"):
        with pytest.raises(UsageError) as caught:
            Address.parse(wrong)
        assert "secret" not in caught.value.message


def test_the_default_is_this_machine_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COORDINATOR_VARIABLE, raising=False)
    assert Address.default().url == "http://127.0.0.1:8470"
    monkeypatch.setenv(COORDINATOR_VARIABLE, "netrender://farm:9000/#key")
    assert Address.default() == Address(url="http://farm:9000", token="key")
    monkeypatch.setenv(COORDINATOR_VARIABLE, "ftp://farm")
    with pytest.raises(UsageError, match=COORDINATOR_VARIABLE):
        Address.default()
