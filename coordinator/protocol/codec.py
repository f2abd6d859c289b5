"""JSON to attrs classes and back, strictly: an unknown, missing or wrong field is an error that names it."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_mapping_structure_fn
from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_tagged_union

from ..errors import BadRequestError, NetrenderError

_converter = make_converter(forbid_extra_keys=True)

_LEAST, _MOST = -(2**63), 2**63 - 1  # of the integers that SQLite, and most that reads JSON, can hold

# JSON values of this very type only: cattrs alone would turn "3" into 3, and 3.5 too.


def _integer(value: Any, _: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)  # 3.0 is an integer
    if type(value) is not int:
        raise TypeError(f"expected int, got {_shown(value)}")
    if not _LEAST <= value <= _MOST:
        raise ValueError(f"{_shown(value)} is not an integer of 64 bits")
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) not in (float, int):
        raise TypeError(f"expected float, got {_shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    # JSON can spell 1e999, which Python reads as infinity; and no limit, sum or mean holds for that.
    if not math.isfinite(number):
        raise ValueError("expected a finite number, got one that is too large")
    return number


def _boolean(value: Any, _: Any) -> bool:
    if type(value) is not bool:
        raise TypeError(f"expected bool, got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """A part of what was sent, for an error's text. A row of the database may also hold what JSON has not."""
    try:
        return json.dumps(value, default=repr)[:60]
    except RecursionError:
        return f"{type(value).__name__} in {type(value).__name__}, very deep"


for _kind, _hook in ((int, _integer), (float, _number), (bool, _boolean)):
    _converter.register_structure_hook(_kind, _hook)


def _text(value: Any, kind: type[str]) -> str:
    if type(value) is not str:
        raise TypeError(f"expected str, got {_shown(value)}")
    if not value.isprintable() and _UNWRITABLE.search(value):
        raise ValueError(f"{value[:60]!r} has a character that is not text")
    return kind(value)  # an enumeration of texts comes here too


# Halves of surrogate pairs, which JSON can spell and UTF-8 cannot hold, and the NUL that ends strings in C.
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_converter.register_structure_hook(str, _text)


def _strict_array(array_type: Any) -> Any:
    """A JSON array only: a string is a sequence too, and would become a tuple of its letters."""
    item, made = get_args(array_type)[0], array_type.__origin__

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise TypeError(f"expected an array, got {_shown(value)}")
        return made(one(v, index) for index, v in enumerate(value))

    def one(value: Any, index: int) -> Any:
        try:
            return _converter.structure(value, item)
        except Exception as error:  # told with its place, as cattrs does it for its own collections
            error.add_note(f"@ index {index}")
            raise cattrs.IterableValidationError("", [error], array_type) from None

    return structure


_converter.register_structure_hook_factory(
    lambda t: (
        getattr(t, "__origin__", None) is list or (getattr(t, "__origin__", None) is tuple and get_args(t)[-1] is ...)
    ),
    _strict_array,
)


def _strict_dict(dict_type: Any) -> Any:
    """A JSON object only; cattrs would look for its items in whatever it is given."""
    inner = make_mapping_structure_fn(dict_type, _converter)

    def structure(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"expected an object, got {_shown(value)}")
        return inner(value, kind)

    return structure


_converter.register_structure_hook_factory(lambda t: getattr(t, "__origin__", None) is dict, _strict_dict)


def _strict_class(cls: Any) -> Any:
    """A JSON object only; cattrs would look fields up in whatever it is given."""
    inner = make_dict_structure_fn(cls, _converter, _cattrs_forbid_extra_keys=True)

    def structure(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"expected an object, got {_shown(value)}")
        return inner(value, kind)

    return structure


_converter.register_structure_hook_factory(attrs.has, _strict_class)


def tag(cls: type) -> str:
    """``FrameDone`` is ``frame-done`` on the wire."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()


@attrs.frozen
class _Union:
    """The classes of a union, which the field ``type`` tells apart: one look-up a message, because that is dear."""

    tags: frozenset[str]
    structure: Callable[[Any, Any], Any]
    unstructure: Callable[[Any], Any]


@cache
def _tagged(union: Any) -> _Union:
    converter = _converter.copy()
    configure_tagged_union(union, converter, tag_name="type", tag_generator=tag)
    tags = frozenset(tag(member) for member in get_args(union))
    return _Union(tags, converter.get_structure_hook(union), converter.get_unstructure_hook(union))


def _first_cause(error: BaseException) -> BaseException:
    return _first_cause(error.exceptions[0]) if isinstance(error, cattrs.BaseValidationError) else error


def _named(fields: Collection[str]) -> str:
    """What another side made up: as it may stand in an answer, and not all of it."""
    shown = [name[:60] if name.isprintable() else ascii(name[:60]) for name in sorted(fields)[:5]]
    return ", ".join(shown) + (f" and {len(fields) - 5} more" if len(fields) > 5 else "")


def _explain(error: BaseException, path: str) -> str:
    """The first cause inside cattrs' tree of errors, with the field it happened in: ``files[3].size: expected int``."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"{path or 'body'}: unknown field {_named(error.extra_fields)}"
    if isinstance(error, cattrs.BaseValidationError):
        inner = error.exceptions[0]
        notes = " ".join(getattr(inner, "__notes__", ()))
        if match := re.search(r"attribute (\w+)$", notes):
            path = f"{path}.{match[1]}" if path else match[1]
        elif match := re.search(r"@ index (\d+)", notes):
            path = f"{path}[{match[1]}]"
        return _explain(inner, path)
    if isinstance(error, NetrenderError):
        return error.message
    if isinstance(error, KeyError):
        return f"{path or 'body'}: missing field {error.args[0]!r}" if not path else f"{path}: missing"
    return f"{path or 'body'}: {error.args[0] if error.args else error}"


def structure(data: Any, cls: Any, *, union: bool = False) -> Any:
    """Build ``cls`` from parsed JSON. Raises BadRequestError (or what the class itself raises) naming the field."""
    hook: Callable[[Any, Any], Any] = _converter.structure
    if union:
        known = _tagged(cls)
        if not (isinstance(data, dict) and isinstance(data.get("type"), str)):
            raise BadRequestError("body: expected an object with a field 'type'")
        if data["type"] not in known.tags:
            raise BadRequestError(f"type: unknown message {data['type'][:60]!r}")
        hook = known.structure
    try:
        return hook(data, cls)
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError) as error:
        kind = type(_first_cause(error))
        wrong = kind if issubclass(kind, NetrenderError) else BadRequestError
        raise wrong(_explain(error, "")) from error


def loads(text: str | bytes, cls: Any, *, union: bool = False) -> Any:
    """Parse JSON text into ``cls``, or into one of the classes of a union told apart by ``type``."""
    return structure(parse(text), cls, union=union)


def loads_each(text: str | bytes, union: Any) -> list[Any]:
    """One message, or an array of them, of the classes of a union."""
    data = parse(text)
    return [structure(one, union, union=True) for one in (data if isinstance(data, list) else [data])]


def parse(text: str | bytes) -> Any:
    """Plain JSON values. Raises BadRequestError."""
    try:
        return _decoder.decode(text if isinstance(text, str) else text.decode(json.detect_encoding(text)))
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"body: not JSON ({error})") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)  # json.loads would make one for every message


def unstructure(value: Any, union: Any = None) -> Any:
    """Plain dicts, lists and numbers; with ``type`` if a union is given."""
    if union is None:
        return _converter.unstructure(value)
    return _tagged(union).unstructure(value)


def dumps(value: Any, union: Any = None) -> str:
    return json.dumps(unstructure(value, union), ensure_ascii=False, separators=(",", ":"))


def dumps_each(values: Sequence[Any], union: Any) -> str:
    """A message alone as itself, several as an array."""
    if len(values) == 1:
        return dumps(values[0], union)
    return "[" + ",".join(dumps(value, union) for value in values) + "]"


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON (keys sorted, no spaces, UTF-8)."""
    text = json.dumps(unstructure(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
