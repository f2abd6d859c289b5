"""Which stored blob is likely an earlier version of a file: the one that a job had at the same path."""

from collections.abc import Callable, Collection

from attrs import define, field

from ..constants import DELTA_LEAST
from ..protocol.jobs import Manifest


@define
class Bases:
    """The last blob seen at every path of any job's tree, and under every file name."""

    _last: dict[str, str] = field(factory=dict)

    def learn(self, manifest: Manifest) -> None:
        for file in manifest.files:
            if file.size >= DELTA_LEAST:
                self._last[file.path] = self._last["/" + _name(file.path)] = file.sha256

    def of(self, manifest: Manifest, missing: Collection[str], has: Callable[[str], bool]) -> dict[str, str]:
        """A base for those of the missing blobs that have one."""
        found = {}
        for file in manifest.files:
            if file.sha256 in missing and file.size >= DELTA_LEAST:
                for key in (file.path, "/" + _name(file.path)):  # a path begins with no slash
                    base = self._last.get(key)
                    if base is not None and base != file.sha256 and has(base):
                        found[file.sha256] = base
                        break
        return found


def _name(path: str) -> str:
    return path.rpartition("/")[2]
