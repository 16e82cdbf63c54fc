"""File locks between processes of one machine, with an end and the name of their holder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from configs.errors import Transient
from configs.settings import settings
from infra.storage.errors import storage_errors

_LOCK_TABLE = Path("/proc/locks")  # Linux: kind, mode, process, device and inode of every lock


@contextmanager
def hold_file_lock(path: Path, patience: timedelta | None = None) -> Iterator[None]:
    """Hold the lock file at `path`; the system frees the lock of a killed process.

    Raises Transient, which names the holder, if another process holds it for too long. CannotWrite
    if the lock file cannot be made.

    Args:
        path: the lock file.
        patience: how long to wait; by default MAINSPRING_LOCK_SECONDS.
    """
    seconds = settings().lock_seconds if patience is None else patience.total_seconds()
    lock = FileLock(path)
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=seconds)
        except Timeout as error:
            raise Transient(
                f"{path} was not free within {seconds:g} s: {describe_lock_holder([path])}"
            ) from error
    try:
        yield
    finally:
        lock.release()


def describe_lock_holder(paths: Iterable[Path]) -> str:
    """Return which other process has locked one of these files, and what to do."""
    for number in _find_lock_holders(paths):
        with suppress(psutil.Error):
            holder = psutil.Process(number)
            command = " ".join(holder.cmdline())[:120]
            since = datetime.fromtimestamp(holder.create_time(), UTC)
            return (
                f"process {number} holds the lock ({command}; it runs since "
                f"{since:%Y-%m-%d %H:%M:%S} UTC and is {holder.status()}); wait for it, or end it"
            )
    return "another process holds the lock; wait for it, or end it"


def _find_lock_holders(paths: Iterable[Path]) -> Iterator[int]:
    """Yield the other processes that hold a write lock on one of the files."""
    inodes = {path.stat().st_ino for path in paths if path.exists()}
    if not _LOCK_TABLE.exists():
        return
    for line in _LOCK_TABLE.read_text().splitlines():
        fields = line.split()
        if fields[1] == "->":  # a process that waits
            continue
        mode, process, inode = fields[3], int(fields[4]), int(fields[5].rpartition(":")[2])
        if mode == "WRITE" and inode in inodes and process != os.getpid():
            yield process
