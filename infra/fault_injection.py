"""Fault injection for tests: named points before and after each effect that can kill the process.

`MAINSPRING_FAULT="before record the decision"` kills the process there with SIGKILL, like a power
failure. No other code reads the variable.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "MAINSPRING_FAULT"


@contextmanager
def effect(name: str) -> Iterator[None]:
    """Wrap one effect in two points, `before <name>` and `after <name>`."""
    _pass_point(f"before {name}")
    yield
    _pass_point(f"after {name}")


def _pass_point(name: str) -> None:
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
