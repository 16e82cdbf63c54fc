"""A state folder of a test's own, and what a process read of another one, forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from configs.settings import settings
from infra.storage import s3
from tasks.ledger.log import open_ledger
from tasks.models import registry


def forget() -> None:
    """Read the variables again, and open again what they lead to."""
    settings.cache_clear()
    open_ledger.cache_clear()
    s3.open_file_system.cache_clear()
    registry._open.cache_clear()


@contextmanager
def state(folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[pytest.MonkeyPatch]:
    """Everything that is embedded lies in a folder, until the end of the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"MAINSPRING_STATE": str(folder), **(variables or {})}.items():
            patch.setenv(name, value)
        forget()
        yield patch
    forget()
