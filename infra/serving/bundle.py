"""Handler of a bundle: checks a model version, predicts rows and logs requests.

It needs numpy and onnxruntime only, so that it runs in any target. `mainspring bundle` copies this
file beside the model.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import numpy as np
import onnxruntime

MODEL_FILE, CARD_FILE, GOLDEN_FILE = "model.onnx", "card.json", "golden.jsonl"
LOG_VARIABLE = "MAINSPRING_REQUEST_LOG"
"""Environment variable: the folder in which requests are logged; without it, none are."""
TOLERANCE = 1e-6
_LAND_SECONDS = 60.0
_MAX_ROWS = 10_000


class BadBundle(Exception):
    """A file of the bundle is missing, damaged or not the one that was exported."""


class BadRows(ValueError):
    """Rows are invalid; `field` is the path of the invalid value."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class Bundle:
    """A model version that is checked when it is opened. Safe for several threads."""

    def __init__(self, folder: str | Path, log_folder: str | Path | None = None) -> None:
        """Open the bundle in a folder.

        Args:
            folder: of the bundle.
            log_folder: of the request log; by default that of MAINSPRING_REQUEST_LOG.

        Raises:
            BadBundle: a file is missing or changed, or golden rows are predicted differently.
        """
        self.folder = Path(folder)
        self.card: dict[str, Any] = _read_card(self.folder)
        self._inputs: dict[str, list[str]] = self.card["inputs"]
        self._known = {*self._inputs["numeric"], *self._inputs["categorical"], *self.card["keys"]}
        model = _read_checked(self.folder / MODEL_FILE, self.card["digest"])
        self._session = _start_session(model)
        self._check_golden_rows()
        log_folder = log_folder or os.environ.get(LOG_VARIABLE)
        self._log = RequestLog(Path(log_folder)) if log_folder else None

    def predict(
        self, rows: Sequence[Mapping[str, Any]], *, request_id: str = "", arm: str = "champion"
    ) -> list[dict[str, Any]]:
        """Return value, decision and version of each row.

        A number is an int, float or bool, a category is text, and None is a missing value.

        Args:
            rows: each with every input, and the keys where requests are logged.
            request_id: of the request in the log; by default a new one.
            arm: of the rollout that the rows belong to.

        Raises:
            BadRows: an input is missing, unknown or of another type.
        """
        began = time.perf_counter()
        values, decisions = self._run(self._check_rows(rows))
        predicted = [
            {self.card["value"]: value, "decision": decision, "model_version": self.card["version"]}
            for value, decision in zip(values, decisions, strict=True)
        ]
        if self._log is not None:
            seconds = time.perf_counter() - began
            self._log.write(self._describe(rows, values, decisions, request_id, arm, seconds))
        return predicted

    def answer(self, body: bytes | str | Mapping[str, Any]) -> dict[str, Any]:
        """Predict the rows of a body `{"instances": [{…}, …]}`; raise BadRows."""
        if not isinstance(body, Mapping):
            try:
                body = json.loads(body)
            except (ValueError, RecursionError) as invalid:
                raise BadRows("the body is no JSON", "$") from invalid
        if not isinstance(body, Mapping) or not isinstance(body.get("instances"), list):
            raise BadRows('the body must be like {"instances": [{"input": value}]}', "$")
        request_id = uuid.uuid4().hex
        predictions = self.predict(body["instances"], request_id=request_id)
        return {"predictions": predictions, "request_id": request_id}

    def close(self) -> None:
        """Land the requests that are logged."""
        if self._log is not None:
            self._log.close()

    def _check_rows(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the inputs of the session."""
        if len(rows) > _MAX_ROWS:
            raise BadRows(f"{len(rows)} rows are more than {_MAX_ROWS}", "$")
        for place, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise BadRows("a row must be an object", f"$[{place}]")
            unknown = next((name for name in row if name not in self._known), None)
            if unknown is not None:
                raise BadRows("no input has this name", f"$[{place}].{unknown}")
        missing, blocks = self.card["missing_category"], {}
        for block, kind in (("numeric", np.float32), ("categorical", object)):
            if names := self._inputs[block]:
                blocks[block] = np.empty((len(rows), len(names)), kind)
                for at, row in enumerate(rows):
                    with np.errstate(over="ignore"):  # infinite in float32, so missing
                        blocks[block][at] = [
                            _to_number(row, name, at) if block == "numeric"
                            else _to_text(row, name, at, missing)
                            for name in names
                        ]  # fmt: skip
        return blocks

    def _run(self, blocks: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
        """Return values and decisions; a number is its own decision."""
        results = self._session.run(self.card["outputs"], dict(blocks))
        matrix = results[0].astype(np.float64)
        values = (matrix if self.card["kind"] == "multiclass" else matrix[:, 0]).tolist()
        return values, (results[1].ravel().tolist() if len(results) > 1 else values)

    def _check_golden_rows(self) -> None:
        content = _read_checked(self.folder / GOLDEN_FILE, self.card["golden_digest"])
        golden = [json.loads(line) for line in content.splitlines()]
        values, decisions = self._run(self._check_rows([row["inputs"] for row in golden]))
        expected = np.array([row["value"] for row in golden], np.float64)
        scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
        apart = float(np.abs(np.array(values).reshape(expected.shape) - expected).max(initial=0.0))
        flipped = self.card["kind"] != "regression" and decisions != [r["decision"] for r in golden]
        if flipped or not apart <= TOLERANCE * scale:
            raise BadBundle(
                f"{self.folder}: golden rows are predicted differently here, by up to {apart:.2g}. "
                "Use the version of onnxruntime in requirements.txt"
            )

    def _describe(
        self,
        rows: Sequence[Mapping[str, Any]],
        values: Sequence[Any],
        decisions: Sequence[Any],
        request_id: str,
        arm: str,
        seconds: float,
    ) -> Iterable[dict[str, Any]]:
        """Yield the rows of the request log, with the columns of the table `requests`."""
        moment = datetime.now(timezone.utc).isoformat(timespec="microseconds")  # noqa: UP017
        request_id, keys = request_id or uuid.uuid4().hex, self.card["keys"]
        for place, row in enumerate(rows):
            yield {
                "request_id": request_id, "row": place, "moment": moment,
                "keys": {name: row.get(name) for name in keys}, "inputs": dict(row), "arm": arm,
                "model_version": self.card["version"], "value": values[place],
                "decision": decisions[place], "shadows": [], "missing_features": 0,
                "stale_features": 0, "feature_ages": {}, "seconds": seconds, "errors": {},
            }  # fmt: skip


class RequestLog:
    """Logged requests as JSON lines, in files that land like any other file.

    A row is written before its request is answered. A file that is being written ends in `.tmp`,
    which ingest leaves alone; it gets its name when it is a minute old. After a kill the next
    process names the files that were left.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder, and name the files that a killed process left."""
        self._folder, self._lock = folder, threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.jsonl.tmp"):
            _adopt(path)
        self._file, self._path = -1, folder
        self._since = 0.0

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows; OSError if the disk is full, and the request must not be answered then."""
        lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
        with self._lock:
            if self._file < 0:
                self._open()
            size = os.fstat(self._file).st_size
            try:
                while lines:
                    lines = lines[os.write(self._file, lines) :]
            except OSError:
                os.ftruncate(self._file, size)
                raise
            if time.monotonic() - self._since > _LAND_SECONDS:
                self._land()

    def close(self) -> None:
        """Name the file that is being written."""
        with self._lock:
            if self._file >= 0:
                self._land()

    def _open(self) -> None:
        self._path = self._folder / f"{uuid.uuid4().hex}.jsonl.tmp"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._since = time.monotonic()

    def _land(self) -> None:
        os.fsync(self._file)
        self._path.rename(self._path.with_suffix(""))
        os.close(self._file)
        self._file = -1


def _adopt(path: Path) -> None:
    """Name a file that no process writes; an incomplete last line was never answered."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:  # another process has named it
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            os.ftruncate(file, path.read_bytes().rfind(b"\n") + 1)
            path.rename(path.with_suffix(""))
    except BlockingIOError:  # its process runs
        return
    finally:
        os.close(file)


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((folder / CARD_FILE).read_bytes())
    except (OSError, ValueError) as invalid:
        raise BadBundle(f"{folder / CARD_FILE}: not readable: {invalid}") from invalid
    return card


def _read_checked(path: Path, digest: str) -> bytes:
    """Return the content of a file whose sha256 is that of the card."""
    try:
        content = path.read_bytes()
    except OSError as missing:
        raise BadBundle(f"{path}: not readable: {missing.strerror}") from missing
    if hashlib.sha256(content).hexdigest() != digest:
        raise BadBundle(f"{path}: its sha256 is not that of {CARD_FILE}; write the bundle again")
    return content


def _start_session(model: bytes) -> onnxruntime.InferenceSession:
    """Start a session on one thread: with several, values differ by about 2e-7."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def _to_number(row: Mapping[str, Any], name: str, place: int) -> float:
    value = _require(row, name, place)
    if value is None:
        return np.nan
    if not isinstance(value, (int, float, np.number, np.bool_)):
        raise BadRows(f"expected a number, found {type(value).__name__}", f"$[{place}].{name}")
    try:
        return float(value)
    except OverflowError:  # a whole number that no float holds
        return np.inf


def _to_text(row: Mapping[str, Any], name: str, place: int, missing: str) -> str:
    value = _require(row, name, place)
    if value is None:
        return missing
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int)) or (isinstance(value, float) and "e" not in repr(value)):
        return str(value)
    raise BadRows(f"expected text, found {type(value).__name__}", f"$[{place}].{name}")


def _require(row: Mapping[str, Any], name: str, place: int) -> Any:  # noqa: ANN401
    if name not in row:
        raise BadRows("the input is missing; null is a missing value", f"$[{place}].{name}")
    return row[name]
