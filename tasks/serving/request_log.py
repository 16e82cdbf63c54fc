"""Request log: predicted requests in a spool file, moved to the landing folder.

A row is written before its request is answered, so a killed process loses no answered row. A thread
syncs the file to disk ten times a second. A full file becomes a Parquet file in the landing folder,
in one step and under a name of its own: done again after a kill, it is the same file.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import msgspec

from configs.schema.serving import RequestLog
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.serving.landed_requests import land_spool
from tasks.serving.predictor import RequestPredictions, ServedRoute, VersionRows
from tasks.serving.row_schema import NOT_GIVEN

_logger = logging.getLogger(__name__)
_SYNC_SECONDS = 0.1
_MAX_BYTES = 64 * 2**20  # of a spool file
_NEWLINE = b"\n"


@dataclass(frozen=True)
class LoggedRequest:
    """A predicted request as the log has it; `row_ids` are those of rows that came one by one."""

    request_id: str
    moment: datetime
    served: ServedRoute
    predicted: RequestPredictions
    seconds: float
    row_ids: Sequence[str] = ()

    def name_row(self, place: int) -> tuple[str, int]:
        """Return the id of the request that a row came with, and the row's number in it."""
        return (self.row_ids[place], 0) if self.row_ids else (self.request_id, place)


class RequestLogger:
    """Appends requests to a spool file and lands full ones; safe for one event loop."""

    def __init__(self, use_case: UseCase, plan: RequestLog, on_error: Callable[[], None]) -> None:
        self._use_case, self._plan, self._on_error = use_case, plan, on_error
        self._folder = spool_folder(use_case)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock, self._stop = Lock(), Event()
        self._file, self._path = self._open()
        self._thread = Thread(target=self._work, name="request log", daemon=True)
        self._thread.start()

    def write(self, request: LoggedRequest) -> None:
        """Append the rows of a request that are in the sample.

        Raises:
            OSError: the disk is full; the request must not be answered then.
        """
        lines = b"".join(msgspec.json.encode(row) + _NEWLINE for row in self._list_rows(request))
        if not lines:
            return
        with self._lock:
            size = os.fstat(self._file).st_size
            try:
                _write_all(self._file, lines)
            except OSError:
                os.ftruncate(self._file, size)  # what is written of these lines
                raise

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
        path = self._folder / f"{os.urandom(16).hex()}.jsonl"
        unnamed = path.with_suffix(".new")
        file = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        unnamed.rename(path)
        return file, path

    def _work(self) -> None:
        """Sync the file, and land it when it is old or large."""
        rounds = max(1, round(self._plan.land_seconds / _SYNC_SECONDS))
        done = 0
        while not self._stop.wait(_SYNC_SECONDS):
            done += 1
            try:
                os.fsync(self._file)
                if done >= rounds or os.fstat(self._file).st_size > _MAX_BYTES:
                    done = 0
                    self._rotate()
                    self._land()
            except Exception:
                _logger.exception("logged requests of %s could not be landed", self._use_case.name)
                self._on_error()

    def _rotate(self) -> None:
        """Begin a new file, if this one has rows."""
        if not os.fstat(self._file).st_size:
            return
        new = self._open()
        with self._lock:
            old, (self._file, self._path) = self._file, new
        os.fsync(old)
        os.close(old)

    def _land(self) -> None:
        """Land the spool files that no process writes, also those of killed ones."""
        for path in sorted(self._folder.glob("*.jsonl")):
            if path != self._path:
                with _hold_unwritten(path) as is_unwritten:
                    if is_unwritten:
                        land_spool(self._use_case, path)

    def _list_rows(self, request: LoggedRequest) -> Iterator[Mapping[str, Any]]:
        """Yield a row of the log for each row of a request."""
        predicted = request.predicted
        fields = [name for name in request.served.schema.fields if name not in self._plan.leave_out]
        for place, arm in enumerate(predicted.arms):
            used, (request_id, row) = predicted.by_role[arm], request.name_row(place)
            if int(request_id[:8], 16) >= self._plan.sample * 2**32:
                continue
            yield {
                "request_id": request_id,
                "row": row,
                "moment": request.moment,
                "keys": {n: self._show(n, predicted, place) for n in self._use_case.spine.key
                         if n in fields},
                "inputs": {n: self._show(n, predicted, place) for n in fields},
                "arm": arm,
                "model_version": used.version,
                "value": used.values[place],
                "decision": used.decisions[place],
                "shadows": [
                    _show_shadow(rows, place) for rows in predicted.by_role.values()
                    if rows is not used
                ],
                "missing_features": predicted.missing[place],
                "stale_features": predicted.stale[place],
                "feature_ages": predicted.ages,
                "seconds": request.seconds,
                "errors": {str(v): str(e) for v, e in predicted.errors.items()}
                | ({"online store": predicted.store_error} if predicted.store_error else {}),
            }  # fmt: skip

    def _show(self, name: str, predicted: RequestPredictions, place: int) -> Any:  # noqa: ANN401
        """Return an input as the model saw it, or its sha256 if the YAML says so."""
        value = predicted.inputs[name][place]
        if value is NOT_GIVEN or value is None:
            return None
        return sha256(str(value).encode()).hexdigest() if name in self._plan.hashed else value


def spool_folder(use_case: UseCase) -> Path:
    """Return the folder of a use case's spool files."""
    return settings().state / "serving" / use_case.name / "requests"


def _show_shadow(rows: VersionRows, place: int) -> dict[str, Any]:
    return {
        "model_version": rows.version, "role": rows.role, "value": rows.values[place],
        "decision": rows.decisions[place],
    }  # fmt: skip


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
