"""What a job needs of a slave, and whether a slave has it."""

from attrs import define

from ..protocol.jobs import Manifest


def series(version: str) -> tuple[int, int]:
    """``"4.5.15"`` is of the series (4, 5): within one, a file renders the same."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


@define(kw_only=True, frozen=True, unsafe_hash=True, cache_hash=True)  # hashed for every dispatch
class Kind:
    """What slaves have in common that can render the same jobs."""

    blender: tuple[int, int]
    features: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    memory: int = 0  # bytes; 0 if not known


@define(kw_only=True, frozen=True, unsafe_hash=True, cache_hash=True)  # hashed for every dispatch
class Need:
    """Jobs with an equal need can go to the same slaves."""

    blender: tuple[int, int]  # this series ...
    pinned: bool  # ... and no other, as frames were rendered with it; else this or a later one
    features: frozenset[str]
    tags: frozenset[str]
    memory: int
    only: frozenset[str]  # names
    never: frozenset[str]

    @classmethod
    def of(cls, manifest: Manifest, pinned: str) -> "Need":
        return cls(
            blender=series(pinned or manifest.blender),
            pinned=bool(pinned),
            features=frozenset(manifest.features),
            tags=frozenset(manifest.tags),
            memory=manifest.memory,
            only=frozenset(manifest.only_slaves),
            never=frozenset(manifest.never_slaves),
        )

    def met_by(self, kind: Kind) -> bool:
        return (
            (kind.blender == self.blender if self.pinned else kind.blender >= self.blender)
            and self.features <= kind.features
            and self.tags <= kind.tags
            and not 0 < kind.memory < self.memory
        )

    def admits(self, name: str) -> bool:
        """Whether the lists let a slave of this name have the job."""
        return name not in self.never and (not self.only or name in self.only)

    def lacks(self, kind: Kind, name: str) -> list[str]:
        """What this slave does not have, in words; empty if it can render the job."""
        version = "{}.{}".format(*self.blender)
        found: list[str] = []
        if self.pinned and kind.blender != self.blender:
            found.append(f"Blender {version}, with which the job was begun")
        elif kind.blender < self.blender:
            found.append(f"Blender {version} or newer")
        found += [f"a slave with a {name}" if name == "gpu" else f"the feature {name}"
                  for name in sorted(self.features - kind.features)]  # fmt: skip
        found += [f"the tag {tag}" for tag in sorted(self.tags - kind.tags)]
        if 0 < kind.memory < self.memory:
            found.append(f"{self.memory / 1e9:g} GB of memory")
        if name in self.never:
            found.append(f"another slave than {name}, which the job excludes")
        elif self.only and name not in self.only:
            found.append(f"one of the slaves {', '.join(sorted(self.only))}")
        return found
