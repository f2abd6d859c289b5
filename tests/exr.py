"""Reads OpenEXR files whole, every part and channel, and says how two of them differ."""

import sys
from pathlib import Path
from typing import Any

import numpy
import OpenEXR


def read(path: Path) -> dict[str, Any]:
    """Every channel's pixels, by name; by ``view part name`` too where the file has several parts."""
    found: dict[str, Any] = {}
    with OpenEXR.File(str(path), separate_channels=True) as file:
        for part in file.parts:
            prefix = ""
            if len(file.parts) > 1:
                prefix = f"{part.header.get('view', '')} {part.header.get('name', '')} ".lstrip()
            for name, channel in part.channels.items():
                key = prefix + name
                assert key not in found, f"{path}: channel {key!r} is there twice"
                found[key] = numpy.array(channel.pixels)
    return found


def differences(a: Path, b: Path) -> list[str]:
    """Nothing if every channel is the same bit for bit, NaN and infinity too; else a line for each difference."""
    left, right = read(a), read(b)
    found = [f"{name}: only in {a}" for name in sorted(left.keys() - right.keys())]
    found += [f"{name}: only in {b}" for name in sorted(right.keys() - left.keys())]
    for name in sorted(left.keys() & right.keys()):
        line = _difference(left[name], right[name])
        if line:
            found.append(f"{name}: {line}")
    return found


def _difference(one: Any, other: Any) -> str:
    if one.shape != other.shape or one.dtype != other.dtype:
        return f"{one.shape} {one.dtype} and {other.shape} {other.dtype}"
    bits = f"u{one.dtype.itemsize}"
    unequal = numpy.ascontiguousarray(one).view(bits) != numpy.ascontiguousarray(other).view(bits)
    if not unequal.any():
        return ""
    with numpy.errstate(all="ignore"):
        distance = numpy.abs(one.astype("f8") - other.astype("f8"))[unequal]
    finite = distance[numpy.isfinite(distance)]
    largest = f"by up to {finite.max():.3g}" if finite.size else "in NaN or infinity only"
    return f"{int(unequal.sum())} of {unequal.size} pixels differ, {largest}"


if __name__ == "__main__":
    lines = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(lines) or "identical")
    sys.exit(bool(lines))
