"""What a contender prepares, and what its work returns."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import NamedTuple


class Answer(NamedTuple):
    """The rows that were worked on, and a number that says what came out."""

    rows: int
    value: float = 0.0


Work = Callable[[], Answer]
Contender = Callable[[int], Work]


def keep_metrics_apart() -> None:
    """Give the metrics of this process a folder.

    Feast names one where it is imported first, as in the process that a contender is forked from.
    """
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="metrics-"))
