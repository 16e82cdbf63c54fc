"""The monitoring table: one row for each measurement of a monitored window.

A verdict is ok or a severity: inform (for information), ticket (to be fixed in working hours) or
page (to be fixed now). A measurement without a verdict is kept for its history, or its window is
not mature. It neither opens nor closes an episode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from tasks.ledger.causes import join_cause
from tasks.storage.lake import Lake

MONITORING_TABLE = "monitoring"
NO_LABEL = "no_label:"  # subject of a value that is no label
MeasurementKind = Literal["drift", "performance", "contract", "bake", "online", "kpi"]
MeasurementVerdict = Literal["ok", "inform", "ticket", "page"]
MEASUREMENT_VERDICTS: tuple[MeasurementVerdict, ...] = ("page", "ticket", "inform", "ok")
_TIME = pl.Datetime("us", "UTC")
_TEXT, _FLOAT, _INT = pl.String(), pl.Float64(), pl.Int64()
_MEASUREMENT: dict[str, pl.DataType] = {
    "kind": _TEXT, "subject": _TEXT, "window_start": _TIME, "window_end": _TIME,
    "value": _FLOAT, "reference": _FLOAT, "threshold": _FLOAT, "coverage": _FLOAT,
    "rows": _INT, "verdict": _TEXT, "low": _FLOAT, "high": _FLOAT,
}  # fmt: skip

_ROW = {"as_of": _TIME, "model_version": _INT, **_MEASUREMENT}


@dataclass(frozen=True)
class Measurement:
    """One measured value of one window, with its reference and threshold.

    `coverage` is the measured share of the window, `rows` the number of rows. [`low`, `high`] is
    the confidence interval of a metric, at `gate.confidence`; without one both are None.
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
    low: float | None = None
    high: float | None = None

    @property
    def cause(self) -> str:
        """The cause of an episode, for example performance:roc_auc_4w."""
        return join_cause(self.kind, self.subject)


def build_measurement_rows(
    measured: Sequence[Measurement], as_of: datetime, model_version: int
) -> pl.DataFrame:
    """Return measurements as rows of the monitoring table."""
    frame = pl.DataFrame([asdict(each) for each in measured], schema=_MEASUREMENT)
    return frame.with_columns(
        pl.lit(as_of, _TIME).alias("as_of"), pl.lit(model_version, _INT).alias("model_version")
    ).select(*_ROW)


def save_measurements(lake: Lake, rows: pl.DataFrame, as_of: datetime) -> int | None:
    """Replace the rows of `as_of`; return the table's version. Idempotent.

    Rows of a moment in the past are kept without verdicts, unless it was judged in its time. So
    they neither open nor close an episode, now or later.
    """
    if has_later_window(lake, as_of) and not _was_judged(lake, as_of):
        rows = rows.with_columns(pl.lit(None, _TEXT).alias("verdict"))
    window = (as_of, as_of + timedelta(microseconds=1))
    return lake.replace_window(MONITORING_TABLE, rows, "as_of", window, keys=("kind", "subject"))


def has_later_window(lake: Lake, as_of: datetime) -> bool:
    """Return whether a window that ends after `as_of` was monitored: then `as_of` is in the past.

    In the past, the monitor measures and requests nothing.
    """
    if not lake.exists(MONITORING_TABLE):
        return False
    rows = lake.scan(MONITORING_TABLE).filter(
        pl.col("as_of") > as_of, pl.col("verdict").is_not_null()
    )
    return bool(rows.head(1).collect().height)


def _was_judged(lake: Lake, as_of: datetime) -> bool:
    own = (pl.col("as_of") == as_of) & pl.col("verdict").is_not_null()
    return bool(lake.scan(MONITORING_TABLE).filter(own).head(1).collect().height)


def read_measurements(lake: Lake, as_of: datetime | None) -> pl.DataFrame:
    """Return all rows of the table up to `as_of` (all), oldest first; none without a table."""
    none = pl.LazyFrame(schema=_ROW)
    if not lake.exists(MONITORING_TABLE):
        return none.collect()
    # older tables lack columns
    rows = pl.concat([none, lake.scan(MONITORING_TABLE)], how="diagonal")
    known = rows if as_of is None else rows.filter(pl.col("as_of") <= as_of)
    return known.collect().sort("as_of", "kind")


def read_other_labels(lake: Lake) -> dict[str, int]:
    """Return the values in the last monitored window that are no label, with their rows."""
    if not lake.exists(MONITORING_TABLE):
        return {}
    is_last, subject = pl.col("as_of") == pl.col("as_of").max(), pl.col("subject")
    rows = lake.scan(MONITORING_TABLE).filter(is_last, subject.str.starts_with(NO_LABEL))
    values = rows.select(subject.str.strip_prefix(NO_LABEL), "rows").collect()
    return dict(values.rows())


def count_severities(rows: pl.DataFrame) -> str:
    """Return the number of rows of each verdict, for example "1 page, 0 ticket, 2 inform, 9 ok"."""
    counts = dict(rows["verdict"].drop_nulls().value_counts().rows())
    return ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in MEASUREMENT_VERDICTS)
