"""What somebody who wishes ill writes where a name, a number or a path should be, at every place of a JSON document."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INFINITE = "@1e999@"  # stands for the number, which Python reads from JSON and does not write
Place = tuple[str | int, ...]  # how to reach a value: keys and positions

VALUES: tuple[Any, ...] = (
    "../../x",
    "../../../../../../../../etc/passwd",
    "/etc/passwd",
    "C:\\x",
    "",
    "x" * 100_000,
    "\ud800",
    "a\0b",
    "\n",
    0,
    -1,
    2**70,
    -(2**70),
    10**15,
    1.5,
    INFINITE,
    None,
    True,
    [],
    {},
)


def places(data: Any, at: Place = ()) -> Iterator[Place]:
    """Every value that is inside the document, containers too, so that new fields are among them by themselves."""
    inside: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inside:
        yield (*at, key)
        yield from places(value, (*at, key))


def replaced(data: Any, place: Place, value: Any) -> Any:
    """A copy of the document with another value there."""
    data = copy.deepcopy(data)
    *path, last = place
    inner = data
    for key in path:
        inner = inner[key]
    inner[last] = value
    return data


def text(data: Any) -> bytes:
    """The document as JSON, with the numbers and halves of characters that no honest writer has."""
    found = json.dumps(data, ensure_ascii=True)
    return found.replace(f'"{INFINITE}"', "1e999").encode()


class Outside:
    """Files beside the folder under test, which nobody may read, change or add to."""

    SECRET = b"a secret that nobody may read"

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.file = root / "secret"
        self.file.write_bytes(self.SECRET)

    @property
    def values(self) -> tuple[str, ...]:
        """Names that lead there, from anywhere and from some folders down."""
        return (str(self.file), *(f"{'../' * up}{self.root.name}/secret" for up in (1, 2, 3, 4)))

    def check(self) -> None:
        assert {path.name: path.read_bytes() for path in self.root.iterdir()} == {"secret": self.SECRET}
