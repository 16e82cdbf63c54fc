"""Request log: predicted requests as lines of spool files, landed for the table `requests`.

A row is written before its request is answered, so a killed process loses no answered row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from configs.schema.serving import RequestLog
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.serving.predictor import RequestPredictions, ServedRoute, VersionRows
from tasks.serving.row_schema import NOT_GIVEN
from tasks.serving.spooled.landed_requests import land_requests
from tasks.serving.spooled.spool import NEWLINE, Spool, SpoolPlan


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
        self._use_case, self._plan = use_case, plan
        land = partial(land_requests, use_case)
        folder = spool_folder(use_case)
        self._spool = Spool(SpoolPlan(folder, land, plan.land_seconds, on_error))

    def write(self, request: LoggedRequest) -> None:
        """Append the rows of a request that are in the sample.

        Raises:
            OSError: the disk is full; the request must not be answered then.
        """
        lines = [msgspec.json.encode(row) + NEWLINE for row in self._list_rows(request)]
        if lines:
            self._spool.append(b"".join(lines), rows=len(lines))

    def close(self) -> None:
        """Land everything that is written."""
        self._spool.close()

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


def spool_folder(use_case: UseCase, content: str = "requests") -> Path:
    """Return the folder of a use case's spool files.

    Args:
        use_case: the use case.
        content: what its lines are; each kind has a folder of its own.
    """
    return settings().state / "serving" / use_case.name / content


def _show_shadow(rows: VersionRows, place: int) -> dict[str, Any]:
    return {
        "model_version": rows.version, "role": rows.role, "value": rows.values[place],
        "decision": rows.decisions[place],
    }  # fmt: skip
