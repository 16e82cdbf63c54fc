"""Spool files: lines that survive a kill, moved to the landing folder when a file is old or full.

A line is written before its sender gets a response. A thread syncs the file to disk ten times a
second. A full file is landed in one step and under a name of its own: done again after a kill, it
is the same file.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

_logger = logging.getLogger(__name__)
_SYNC_SECONDS = 0.1
_MAX_BYTES = 64 * 2**20  # of a spool file
NEWLINE = b"\n"


@dataclass(frozen=True)
class SpoolPlan:
    """Folder of the files, when one is landed, and how.

    Attributes:
        folder: where the files are written.
        land: moves a file that no process writes any more into the landing folder.
        seconds: age at which a file is landed.
        rows: number of rows at which a file is landed; None without a limit.
        on_error: counts a failure to sync or to land.
    """

    folder: Path
    land: Callable[[Path], None]
    seconds: float
    on_error: Callable[[], None]
    rows: int | None = None


class Spool:
    """Appends lines to a spool file of its own, and lands full and abandoned files."""

    def __init__(self, plan: SpoolPlan) -> None:
        self._plan = plan
        plan.folder.mkdir(parents=True, exist_ok=True)
        self._lock, self._stop = Lock(), Event()
        self._file, self._path = self._open()
        self._rows = 0
        self._thread = Thread(target=self._work, name=f"spool {plan.folder.name}", daemon=True)
        self._thread.start()

    def append(self, lines: bytes, *, rows: int = 1, synced: bool = False) -> None:
        """Append whole lines; with `synced`, return when they are on disk.

        Raises:
            OSError: the disk is full; nothing of the lines is kept.
        """
        with self._lock:
            size = os.fstat(self._file).st_size
            try:
                _write_all(self._file, lines)
                if synced:
                    os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, size)  # what is written of these lines
                raise
            self._rows += rows

    def close(self) -> None:
        """Land everything that is written."""
        self._stop.set()
        self._thread.join(timeout=30)
        self._rotate()
        self._land()
        os.close(self._file)
        self._path.unlink(missing_ok=True)  # it has no rows

    def _open(self) -> tuple[int, Path]:
        """Make a spool file and lock it before it has the name by which others find it."""
        path = self._plan.folder / f"{os.urandom(16).hex()}.jsonl"
        unnamed = path.with_suffix(".new")
        file = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        unnamed.rename(path)
        return file, path

    def _work(self) -> None:
        """Sync the file, and land it when it is old or large."""
        rounds = max(1, round(self._plan.seconds / _SYNC_SECONDS))
        done = 0
        while not self._stop.wait(_SYNC_SECONDS):
            done += 1
            try:
                os.fsync(self._file)
                if done >= rounds or self._is_full():
                    done = 0
                    self._rotate()
                    self._land()
            except Exception:
                _logger.exception("the files of %s could not be landed", self._plan.folder)
                self._plan.on_error()

    def _is_full(self) -> bool:
        most = self._plan.rows
        too_many = most is not None and self._rows >= most
        return too_many or os.fstat(self._file).st_size > _MAX_BYTES

    def _rotate(self) -> None:
        """Begin a new file, if this one has rows."""
        if not os.fstat(self._file).st_size:
            return
        new = self._open()
        with self._lock:
            old, (self._file, self._path), self._rows = self._file, new, 0
        os.fsync(old)
        os.close(old)

    def _land(self) -> None:
        """Land the spool files that no process writes, also those of killed ones.

        A file that cannot be landed stays, is counted, and stops no other one.
        """
        for path in sorted(self._plan.folder.glob("*.jsonl")):
            if path == self._path:
                continue
            with _hold_unwritten(path) as is_unwritten:
                try:
                    if is_unwritten:
                        self._plan.land(path)
                except Exception:
                    _logger.exception("%s could not be landed", path)
                    self._plan.on_error()


def read_whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a spool file without an incomplete last one: it got no response."""
    return path.read_bytes().split(NEWLINE)[:-1]


def _write_all(file: int, content: bytes) -> None:
    """Write all bytes; one call of the system writes them, unless the disk is nearly full."""
    while content:
        content = content[os.write(file, content) :]


@contextmanager
def _hold_unwritten(path: Path) -> Iterator[bool]:
    """Lock a spool file; yield whether no process writes or lands it now."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # another worker has landed it
        yield False
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path.exists()
    except BlockingIOError:
        yield False
    finally:
        os.close(file)
