"""The monitoring table: every number of a monitored window, and what it says, one row each.

A verdict is ok, or how bad it is: inform (worth a look), ticket (somebody should mend it) or page
(somebody should come). A number without a verdict is there for its history, or its window is not
mature yet: it neither opens an episode nor says that all is well again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from tasks.storage.lake import Lake

MONITORING_TABLE = "monitoring"
MeasurementKind = Literal["drift", "performance", "contract", "bake"]
MeasurementVerdict = Literal["ok", "inform", "ticket", "page"]
MEASUREMENT_VERDICTS: tuple[MeasurementVerdict, ...] = ("page", "ticket", "inform", "ok")
_TIME = pl.Datetime("us", "UTC")
_TEXT, _FLOAT, _INT = pl.String(), pl.Float64(), pl.Int64()
_NUMBER: dict[str, pl.DataType] = {
    "kind": _TEXT, "subject": _TEXT, "window_start": _TIME, "window_end": _TIME,
    "value": _FLOAT, "reference": _FLOAT, "threshold": _FLOAT, "coverage": _FLOAT,
    "rows": _INT, "verdict": _TEXT,
}  # fmt: skip

_ROW = {"as_of": _TIME, "model_version": _INT, **_NUMBER}


@dataclass(frozen=True)
class Measurement:
    """One number of one window: of what, how much, against which reference and threshold.

    `coverage` is the share of the window that the number knows about; `rows` are those it is
    made of.
    """

    kind: MeasurementKind
    subject: str
    window_start: datetime
    window_end: datetime
    value: float | None
    reference: float | None = None
    threshold: float | None = None
    coverage: float | None = None
    rows: int = 0
    verdict: MeasurementVerdict | None = None

    @property
    def cause(self) -> str:
        """What an episode is called after, like performance:roc_auc_4w."""
        return f"{self.kind}:{self.subject}"


def measurement_rows(
    numbers: Sequence[Measurement], as_of: datetime, model_version: int
) -> pl.DataFrame:
    """The numbers as rows of the monitoring table."""
    frame = pl.DataFrame([asdict(number) for number in numbers], schema=_NUMBER)
    return frame.with_columns(
        pl.lit(as_of, _TIME).alias("as_of"), pl.lit(model_version, _INT).alias("model_version")
    ).select(*_ROW)


def save_measurements(lake: Lake, rows: pl.DataFrame, as_of: datetime) -> int | None:
    """Make `rows` all that the table says about `as_of`; the table's version. Twice is as once."""
    window = (as_of, as_of + timedelta(microseconds=1))
    return lake.replace_window(MONITORING_TABLE, rows, "as_of", window, keys=("kind", "subject"))


def read_measurements(lake: Lake, as_of: datetime) -> pl.DataFrame:
    """All rows of the table up to `as_of`, oldest first; empty before the first."""
    if not lake.exists(MONITORING_TABLE):
        return pl.DataFrame(schema=_ROW)
    return (
        lake.scan(MONITORING_TABLE).filter(pl.col("as_of") <= as_of).collect().sort("as_of", "kind")
    )


def count_severities(rows: pl.DataFrame) -> str:
    """How many of the rows page, are a ticket, inform and are ok, in words."""
    counts = dict(rows["verdict"].drop_nulls().value_counts().rows())
    return ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in MEASUREMENT_VERDICTS)
