"""Data contract measurements: row counts, gaps without rows and null rates of a window.

They are compared with the champion's reference span. A table whose median window there is empty
lands rarely, and is not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.monitoring import Monitor
from configs.schema.use_case import UseCase
from tasks.models.reference_profile import ReferenceProfile
from tasks.monitoring.measurements import NO_LABEL, Measurement, MeasurementVerdict

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_LONGEST_RHYTHM = 24  # hours
_REGULAR, _MOST_LOST = 0.95, 0.1  # of the hours of a window
_RARE = 0.2  # of the windows of the reference


def measure_volumes(
    use_case: UseCase, raw: Mapping[str, pl.LazyFrame], reference: ReferenceProfile, as_of: datetime
) -> list[Measurement]:
    """Return the rows of each raw table that became known in the window, and its gaps in days.

    Both are compared with the median of the reference's windows of the same length. Those windows
    are counted back from `as_of`, so that days begin at the same hour.
    """
    measured = []
    for name, table in use_case.tables.items():
        if name in raw:
            hours = _count_by_hour(raw[name], table.known_time, reference.start, as_of)
            measured += _measure_table(name, hours, use_case.monitor, reference, as_of)
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
        threshold = rule.limit_nulls(row["reference_null_rate"], row["null_limit"])
        severity: MeasurementVerdict = "inform" if row["column"] in informs else rule.severity
        measurement = Measurement(
            "contract", f"nulls:{row['column']}", as_of - use_case.monitor.window, as_of,
            value=row["null_rate"], reference=row["reference_null_rate"], threshold=threshold,
            rows=row["rows"], verdict=severity if row["null_rate"] > threshold else "ok",
        )  # fmt: skip
        measured.append(measurement)
    return measured


def _count_by_hour(
    rows: pl.LazyFrame, known: str, start: datetime, as_of: datetime
) -> NDArray[np.int64]:
    """Count rows by whole hours between becoming known and `as_of`; the newest hour comes first."""
    ago = ((pl.lit(as_of) - pl.col(known)).dt.total_microseconds() - 1) // 3_600_000_000
    in_span = rows.filter(pl.col(known) >= start, pl.col(known) < as_of)
    counted = in_span.group_by(ago=ago).len().collect()
    counts = np.zeros(-((start - as_of) // _HOUR), dtype=np.int64)
    counts[counted["ago"].to_numpy()] = counted["len"].to_numpy()
    return counts


def _measure_table(
    name: str, hours: NDArray[np.int64], rule: Monitor, reference: ReferenceProfile, as_of: datetime
) -> list[Measurement]:
    length = max(rule.window // _DAY, 1) * 24
    volumes = _split_windows(hours, length).sum(axis=1)
    first = -((reference.end + _DAY - as_of) // (length * _HOUR))
    normal = slice(max(first, 0), None)  # windows that end in the reference
    if not volumes[normal].size or not (expected := float(np.median(volumes[normal]))):
        return []
    missing, limit = _find_gap(hours > 0, normal, length)
    return [
        _measure_volume(f"rows:{name}", int(volumes[0]), expected, rule, as_of),
        Measurement(
            "contract", f"missing_days:{name}", as_of - rule.window, as_of, value=missing,
            reference=0.0, threshold=limit, rows=int(volumes[0]),
            verdict=rule.contract.severity if missing > limit else "ok",
        ),
    ]  # fmt: skip


def _split_windows(hours: NDArray[Any], length: int) -> NDArray[Any]:
    """Return the hours of each whole window (windows, length); the newest window comes first."""
    windows = len(hours) // length
    return hours[: windows * length].reshape(windows, length)


def _find_gap(has_rows: NDArray[np.bool_], normal: slice, length: int) -> tuple[float, float]:
    """Return the days without rows beyond the usual ones, and their limit, at the table's rhythm.

    The rhythm is the least number of hours, up to a day, within which the table nearly always gets
    rows in the reference. An hour is covered if a row came within the rhythm before it. So a rest
    at night that begins an hour later, as after a change of the clock, is no gap. The limit is a
    tenth of the window, but less than a day, or what is usual.

    Args:
        has_rows: whether an hour has rows; the newest hour comes first.
        normal: the windows of the reference.
        length: hours of a window.
    """
    for rhythm in range(1, _LONGEST_RHYTHM + 1):
        covered = _split_windows(_cover_hours(has_rows, rhythm), length).sum(axis=1)
        expected = float(np.median(covered[normal]))
        if expected >= _REGULAR * length:
            break
    missing = max(expected - float(covered[0]), 0.0)
    usual = expected - float(np.quantile(covered[normal], _RARE))
    limit = max(min(_MOST_LOST * length, _LONGEST_RHYTHM - 1), usual)
    return missing / 24, limit / 24


def _cover_hours(has_rows: NDArray[np.bool_], rhythm: int) -> NDArray[np.bool_]:
    """Return whether each hour, or one of the hours before it within the rhythm, has rows."""
    so_far = np.concatenate([[0], np.cumsum(has_rows)])
    hours = np.arange(len(has_rows))
    covered: NDArray[np.bool_] = so_far[np.minimum(hours + rhythm, len(has_rows))] > so_far[hours]
    return covered


def _measure_volume(
    subject: str, rows: int, expected: float, rule: Monitor, as_of: datetime
) -> Measurement:
    threshold = rule.contract.min_volume * expected
    return Measurement(
        "contract", subject, as_of - rule.window, as_of, value=float(rows),
        reference=float(expected), threshold=threshold, rows=rows,
        verdict=rule.contract.severity if rows < threshold else "ok",
    )  # fmt: skip
