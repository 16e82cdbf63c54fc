"""Named places at which a test may kill the process: before and after each effect.

`MAINSPRING_FAULT="before record the decision"` kills it there with SIGKILL, as a machine that
loses its power would. Nothing else reads the variable.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "MAINSPRING_FAULT"


@contextmanager
def effect(name: str) -> Iterator[None]:
    """Wrap one effect: the process may die `before <name>` or `after <name>`."""
    _point(f"before {name}")
    yield
    _point(f"after {name}")


def _point(name: str) -> None:
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
