"""Where two recordings differ: to the byte, or within a tolerance of their numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


def differences(first: Path, second: Path, tolerance: float = 0.0) -> list[str]:
    """A line for each place in which the second recording differs from the first one.

    Without a tolerance, files must be equal to the byte; with one, the numbers of JSON files may
    differ by that share, and only files that both recordings have are compared.
    """
    names = sorted({p.relative_to(of).as_posix() for of in (first, second) for p in _files(of)})
    found = []
    for name in names:
        one, other = first / name, second / name
        if not (one.exists() and other.exists()):
            found += [] if tolerance else [f"{name}: only in {first if one.exists() else second}"]
        elif one.read_bytes() != other.read_bytes():
            found += _unlike(name, one, other, tolerance)
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _unlike(name: str, one: Path, other: Path, tolerance: float) -> list[str]:
    if one.suffix != ".json":
        return [f"{name}: other bytes"]
    return values_unlike(
        name, json.loads(one.read_text()), json.loads(other.read_text()), tolerance
    )


def values_unlike(where: str, one: Any, other: Any, tolerance: float) -> list[str]:
    """A line for each value of a JSON document that differs by more than the tolerance."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [
            line
            for key in one
            for line in values_unlike(f"{where}/{key}", one[key], other[key], tolerance)
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [
            line
            for at, (a, b) in pairs
            for line in values_unlike(f"{where}[{at}]", a, b, tolerance)
        ]
    if one == other or _is_near(one, other, tolerance):
        return []
    return [f"{where}: {one!r} against {other!r}"]


def _is_near(one: Any, other: Any, tolerance: float) -> bool:
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers and math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance * 1e-3)
