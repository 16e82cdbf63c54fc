"""Data contract measurements: row counts, days without rows and null rates of a window.

They are compared with the champion's reference span. A table whose median window there is empty
lands rarely, and is not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median

import polars as pl

from configs.schema.monitoring import Monitor
from configs.schema.use_case import UseCase
from tasks.models.reference_profile import ReferenceProfile
from tasks.monitoring.measurements import NO_LABEL, Measurement, MeasurementVerdict

_DAY = timedelta(days=1)


def measure_volumes(
    use_case: UseCase, raw: Mapping[str, pl.LazyFrame], reference: ReferenceProfile, as_of: datetime
) -> list[Measurement]:
    """Return the rows of each raw table that became known in the window, and its missing days.

    Both are compared with the median of the reference's windows of the same length. Those windows
    are counted back from `as_of`, so that days begin at the same hour.
    """
    measured = []
    for name, table in use_case.tables.items():
        if name in raw:
            days = _count_by_day(raw[name], table.known_time, reference.start, as_of)
            measured += _measure_table(name, days, use_case.monitor, reference, as_of)
    return measured


def measure_predicted_rows(
    rows: int, reference: ReferenceProfile, rule: Monitor, scored_since: datetime, as_of: datetime
) -> Measurement:
    """Compare the rows predicted in the window with the reference.

    Args:
        rows: number of rows predicted in the window.
        reference: reference profile of the champion.
        rule: window, thresholds and severity.
        scored_since: time of the first promotion; no predictions are expected before it.
        as_of: end of the window.
    """
    start = as_of - rule.window
    due = max(as_of - max(start, scored_since), timedelta(0)) / reference.window
    return _measure_volume("rows:predictions", rows, reference.window_rows * due, rule, as_of)


def measure_missing_rows(missing: int, rule: Monitor, as_of: datetime) -> Measurement:
    """Measure the rows that were due and have no prediction; any is bad.

    Args:
        missing: number of rows of `find_missing_predictions`.
        rule: window and severity.
        as_of: time of the monitor.
    """
    return Measurement(
        "contract", "missing:predictions", as_of - rule.window, as_of, value=float(missing),
        reference=0.0, threshold=0.0, rows=missing,
        verdict=rule.contract.severity if missing else "ok",
    )  # fmt: skip


def measure_other_labels(
    other: Mapping[str, int], start: datetime, as_of: datetime
) -> list[Measurement]:
    """Return the rows of each value that is no label, for information.

    Args:
        other: rows by value.
        start: first prediction time.
        as_of: end of the window.
    """
    return [
        Measurement("contract", f"{NO_LABEL}{value}", start, as_of, value=float(rows),
                    reference=0.0, threshold=0.0, rows=rows, verdict="inform")
        for value, rows in other.items()
    ]  # fmt: skip


def measure_nulls(use_case: UseCase, drifts: pl.DataFrame, as_of: datetime) -> list[Measurement]:
    """Compare the null rate of each input in the result of `compare_counts` with the reference.

    An input in `monitor.drift.informs` has severity inform: such sources have natural gaps.
    """
    rule, informs = use_case.monitor.contract, use_case.monitor.drift.informs
    measured = []
    for row in drifts.filter(pl.col("column").is_in(use_case.features.inputs)).to_dicts():
        threshold = row["reference_null_rate"] + rule.max_null_rise
        severity: MeasurementVerdict = "inform" if row["column"] in informs else rule.severity
        measurement = Measurement(
            "contract", f"nulls:{row['column']}", as_of - use_case.monitor.window, as_of,
            value=row["null_rate"], reference=row["reference_null_rate"], threshold=threshold,
            rows=row["rows"], verdict=severity if row["null_rate"] > threshold else "ok",
        )  # fmt: skip
        measured.append(measurement)
    return measured


def _count_by_day(
    rows: pl.LazyFrame, known: str, start: datetime, as_of: datetime
) -> dict[int, int]:
    """Count rows by whole days between becoming known and `as_of`; omit days without rows."""
    ago = ((pl.lit(as_of) - pl.col(known)).dt.total_microseconds() - 1) // 86_400_000_000
    counts = rows.filter(pl.col(known) >= start, pl.col(known) < as_of).group_by(ago=ago).len()
    return dict(counts.collect().rows())


def _measure_table(
    name: str, days: dict[int, int], rule: Monitor, reference: ReferenceProfile, as_of: datetime
) -> list[Measurement]:
    length = max(rule.window // _DAY, 1)
    spans = [
        [days[day] for day in range(k * length, (k + 1) * length) if day in days]
        for k in range((as_of - reference.start) // (length * _DAY))
    ]
    normal = [
        span for k, span in enumerate(spans) if as_of - k * length * _DAY <= reference.end + _DAY
    ]
    if not normal or not median(sum(span) for span in normal):
        return []
    now, expected_days = spans[0], int(median(len(span) for span in normal))
    missing = max(expected_days - len(now), 0)
    expected_rows = median(sum(span) for span in normal)
    return [
        _measure_volume(f"rows:{name}", sum(now), expected_rows, rule, as_of),
        Measurement(
            "contract", f"missing_days:{name}", as_of - rule.window, as_of, value=float(missing),
            reference=0.0, threshold=0.0, rows=sum(now),
            verdict=rule.contract.severity if missing else "ok",
        ),
    ]  # fmt: skip


def _measure_volume(
    subject: str, rows: int, expected: float, rule: Monitor, as_of: datetime
) -> Measurement:
    threshold = rule.contract.min_volume * expected
    return Measurement(
        "contract", subject, as_of - rule.window, as_of, value=float(rows),
        reference=float(expected), threshold=threshold, rows=rows,
        verdict=rule.contract.severity if rows < threshold else "ok",
    )  # fmt: skip
