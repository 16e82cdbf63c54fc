"""What a contender prepares, and what its work returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Answer(NamedTuple):
    """The rows that were worked on, and a number that says what came out."""

    rows: int
    value: float = 0.0


Work = Callable[[], Answer]
Contender = Callable[[int], Work]
