"""JSON in and out, strictly."""

import json
from typing import Any

import pytest
from attrs import field, frozen, validators
from hypothesis import given
from hypothesis import strategies as st

from coordinator.errors import BadPathError, BadRequestError
from coordinator.protocol import codec, messages
from coordinator.protocol.states import JobState


@frozen(kw_only=True)
class Inner:
    path: str
    size: int = 0

    def __attrs_post_init__(self) -> None:
        if self.path == "bad":
            raise BadPathError("path 'bad' is bad")


@frozen(kw_only=True)
class Outer:
    name: str = field(validator=validators.max_len(5))
    ratio: float = 1.0
    flag: bool = False
    state: JobState = JobState.QUEUED
    maybe: int | None = None
    parts: tuple[Inner, ...] = ()
    numbers: tuple[int, ...] = ()
    counts: dict[str, int] = field(factory=dict)


INTEGERS = st.integers(-(2**63), 2**63 - 1)


@given(
    st.builds(
        Outer,
        name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
        ratio=st.floats(allow_nan=False, allow_infinity=False),
        flag=st.booleans(),
        state=st.sampled_from(JobState),
        maybe=st.none() | INTEGERS,
        parts=st.lists(st.builds(Inner, path=st.just("a"), size=INTEGERS)).map(tuple),
        numbers=st.lists(INTEGERS).map(tuple),
        counts=st.dictionaries(st.sampled_from("ab"), INTEGERS),
    )
)
def test_what_is_written_is_read_as_the_same(value: Outer) -> None:
    assert codec.loads(codec.dumps(value), Outer) == value


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": None}, "name: expected str, got null"),
        ({"name": 1}, "name: expected str, got 1"),
        ({"name": "too long"}, "name"),
        ({"name": "\0"}, "name: '\\x00' has a character"),
        ({"name": "\ud800"}, "name"),
        ({"ratio": "1"}, 'ratio: expected float, got "1"'),
        ({"ratio": True}, "ratio: expected float, got true"),
        ({"flag": 1}, "flag: expected bool, got 1"),
        ({"flag": "false"}, "flag: expected bool"),
        ({"state": "asleep"}, "state: 'asleep'"),
        ({"maybe": 3.5}, "maybe: expected int, got 3.5"),
        ({"maybe": True}, "maybe: expected int, got true"),
        ({"parts": {}}, "parts: expected an array"),
        ({"parts": "ab"}, "parts: expected an array"),
        ({"parts": [1]}, "parts[0]: expected an object, got 1"),
        ({"parts": [{"path": "a"}, {"path": 2}]}, "parts[1].path: expected str, got 2"),
        ({"parts": [{"path": "a"}, {}]}, "parts[1].path: missing"),
        ({"parts": [{"path": "a", "zip": 1, "colour": 1}]}, "parts[0]: unknown field colour, zip"),
        ({"numbers": [1, 2, "3"]}, "numbers[2]: expected int"),
        ({"counts": []}, "counts: expected an object, got []"),
        ({"counts": {"a": "1"}}, "counts"),
        ({"counts": {"\ud800": 1}}, "counts: '\\ud800' has a character"),
        ({"numbers": [2**63]}, "numbers[0]: 9223372036854775808 is not an integer of 64 bits"),
        ({"numbers": [-(2**70)]}, "is not an integer of 64 bits"),
        ({"maybe": 1e30}, "is not an integer of 64 bits"),
        ({"ratio": 10**400}, "ratio: expected a finite number"),
        ({"\ud800" * 100: 1}, "unknown field '\\ud800"),
        ({f"field {number}": 1 for number in range(1000)}, "field 101 and 995 more"),
        ({"colour": "red"}, "body: unknown field colour"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        codec.loads(json.dumps({"name": "abc"} | change), Outer)
    assert says in caught.value.message


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
@pytest.mark.parametrize("field", ["ratio", "maybe", "numbers"])
def test_no_number_is_infinite(number: str, field: str) -> None:
    value = f"[{number}]" if field == "numbers" else number
    with pytest.raises(BadRequestError, match=field):
        codec.loads(f'{{"name": "a", "{field}": {value}}}', Outer)


@pytest.mark.parametrize("kind", [Outer, list[Outer], tuple[str, ...], dict[str, int], list[int]])
def test_what_is_nested_as_deeply_as_json_may_be(kind: Any) -> None:
    """It is told by a part of it, for which there must be room on the stack."""
    for depth in range(800, 1100):
        for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
            with pytest.raises(BadRequestError):
                codec.loads(text, kind)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(BadRequestError, match=r"^name: missing$"):
        codec.loads("{}", Outer)


def test_what_a_class_itself_raises_stays_what_it_is() -> None:
    with pytest.raises(BadPathError, match=r"^path 'bad' is bad$"):
        codec.loads('{"name": "a", "parts": [{"path": "a"}, {"path": "bad"}]}', Outer)


@pytest.mark.parametrize(
    "text", ["", "{", "nope", "[1,]", '{"a": NaN}', "Infinity", "1" * 5000, "[" * 100_000, b"\xff"]
)
def test_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises(BadRequestError, match=r"^body: not JSON"):
        codec.parse(text)


@pytest.mark.parametrize("text", ["[]", "1", '"name"', "null"])
def test_only_an_object_is_a_class(text: str) -> None:
    with pytest.raises(BadRequestError, match=r"^body: expected an object"):
        codec.loads(text, Outer)


def test_lists_are_read_too() -> None:
    assert codec.loads('[{"path": "a"}]', list[Inner]) == [Inner(path="a")]
    with pytest.raises(BadRequestError, match=r"^\[0\]\.path: missing"):
        codec.loads("[{}]", list[Inner])
    for other in ('{"path": 1}', '"text"', "null", "1"):
        with pytest.raises(BadRequestError, match="body: expected an array"):
            codec.loads(other, list[Inner])


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_message_has_its_class_as_type() -> None:
    message = messages.FrameQueued(job="a", frame=1, reason="reset")
    text = codec.dumps(message, messages.Event)
    assert json.loads(text) == {"type": "frame-queued", "job": "a", "frame": 1, "reason": "reset"}
    assert codec.loads(text, messages.Event, union=True) == message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "expected an object with a field 'type'"),
        ("{}", "field 'type'"),
        ('{"type": 1}', "field 'type'"),
        ('{"type": "dance"}', "type: unknown message 'dance'"),
        ('{"type": "work", "lease": 1, "job": "a", "frames": []}', "unknown message 'work'"),
        ('{"type": "started", "lease": 1}', "frame: missing"),
        ('{"type": "started", "lease": "1", "frame": 1}', "lease: expected int"),
        ('{"type": "started", "lease": 1, "frame": 1, "x": 1}', "unknown field x"),
    ],
)
def test_a_wrong_message_is_named(text: str, says: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        codec.loads(text, messages.FromSlave, union=True)
    assert says in caught.value.message


@given(st.text() | st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "lease", "frame", "sample", "reason"]), inner | st.sampled_from(["started", "failed"])
    ),
).map(json.dumps))  # fmt: skip
def test_whatever_comes_is_a_message_or_a_bad_request(text: str | bytes) -> None:
    try:
        found = codec.loads(text, messages.FromSlave, union=True)
    except BadRequestError as error:
        assert error.message
    else:
        assert isinstance(found, messages.FromSlave)


# --- digest -----------------------------------------------------------------------------------------------------------


def test_the_digest_is_of_the_content_not_of_its_order() -> None:
    one, two = Outer(name="é", counts={"a": 1, "b": 2}), Outer(name="é", counts={"b": 2, "a": 1})
    assert codec.digest(one) == codec.digest(two) != codec.digest(Outer(name="e"))
