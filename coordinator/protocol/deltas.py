"""A changed blob as what it has in common with another one, and what it has not. No I/O.

The body of a delta is one line of JSON (``Delta``), and then the bytes of its literal parts.
"""

from collections.abc import Iterable, Mapping

from attrs import field, frozen, validators

from ..errors import BadRequestError
from . import codec

MEDIA_TYPE = "application/vnd.netrender.delta"
WHERE_NOT = -1  # the offset of a part whose bytes are in the delta


@frozen(kw_only=True)
class Chunk:
    """A piece of a blob. Cut by the same rule everywhere, so that equal content has equal chunks."""

    sha256: str
    size: int = field(validator=validators.ge(0))


@frozen(kw_only=True)
class Part:
    """Bytes of the new blob: copied from the base at ``offset``, or, at -1, the next ones in the delta's body."""

    size: int = field(validator=validators.ge(1))
    offset: int = field(default=WHERE_NOT, validator=validators.ge(WHERE_NOT))


@frozen(kw_only=True)
class Delta:
    """How a blob, from the upload's offset on, is made of a base and of literal bytes."""

    base: str  # SHA-256 of a blob that the coordinator has
    parts: tuple[Part, ...]

    @property
    def literal(self) -> int:
        """Bytes that follow."""
        return sum(part.size for part in self.parts if part.offset == WHERE_NOT)


def head(delta: Delta) -> bytes:
    return codec.dumps(delta).encode() + b"\n"


def offsets(chunks: Iterable[Chunk]) -> dict[str, int]:
    """Where each chunk begins."""
    found: dict[str, int] = {}
    at = 0
    for chunk in chunks:
        found.setdefault(chunk.sha256, at)
        at += chunk.size
    return found


def parts(chunks: Iterable[Chunk], base: Mapping[str, int], start: int = 0) -> tuple[Part, ...]:
    """The parts of the blob with these chunks from byte ``start`` on, as long as they can be."""
    found: list[Part] = []
    at = 0
    for chunk in chunks:
        skipped = min(max(start - at, 0), chunk.size)
        at += chunk.size
        size = chunk.size - skipped
        if not size:
            continue
        offset = base.get(chunk.sha256, WHERE_NOT)
        if offset != WHERE_NOT:
            offset += skipped
        last = found[-1] if found else None
        if last and (last.offset == offset == WHERE_NOT or (last.offset >= 0 and last.offset + last.size == offset)):
            found[-1] = Part(size=last.size + size, offset=last.offset)
        else:
            found.append(Part(size=size, offset=offset))
    return tuple(found)


def check(delta: Delta, base: int) -> Delta:
    """Raises BadRequestError if a part is not inside a base of this size."""
    for part in delta.parts:
        if part.offset + part.size > base and part.offset != WHERE_NOT:
            raise BadRequestError(f"parts: bytes {part.offset} to {part.offset + part.size} are not in the base")
    return delta
