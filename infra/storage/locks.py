"""File locks between processes of one machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from infra.storage.errors import storage_errors


@contextmanager
def hold_file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, waiting until no other process holds it.

    The system frees the lock of a killed process. CannotWrite if the lock file cannot be made.
    """
    lock = FileLock(path)
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
