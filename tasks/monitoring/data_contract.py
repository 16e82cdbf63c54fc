"""The data contract: is there as much data as there used to be, every day, with as few nulls?

What "used to be" means is the champion's own reference span. A table that lands seldom (its
median window there is empty) is not expected in every window and is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median

import polars as pl

from configs.schema.monitoring import Monitor
from configs.schema.use_case import UseCase
from tasks.models.reference_profile import ReferenceProfile
from tasks.monitoring.measurements import Measurement, MeasurementVerdict

_DAY = timedelta(days=1)


def measure_volumes(
    use_case: UseCase, raw: Mapping[str, pl.LazyFrame], reference: ReferenceProfile, as_of: datetime
) -> list[Measurement]:
    """For each raw table: rows that became known in the window, and its days without any.

    Both against the median of the reference's windows of the same length, which are counted
    back from `as_of` so that days begin at the same hour.
    """
    found = []
    for name, table in use_case.tables.items():
        if name in raw:
            days = _by_day(raw[name], table.known_time, reference.start, as_of)
            found += _table_numbers(name, days, use_case.monitor, reference, as_of)
    return found


def measure_predicted_rows(
    rows: int, reference: ReferenceProfile, rule: Monitor, scored_since: datetime, as_of: datetime
) -> Measurement:
    """Rows predicted in the window, against the reference's; before `scored_since` none is due."""
    start = as_of - rule.window
    due = max(as_of - max(start, scored_since), timedelta(0)) / reference.window
    return _volume("rows:predictions", rows, reference.window_rows * due, rule, as_of)


def measure_nulls(use_case: UseCase, drifts: pl.DataFrame, as_of: datetime) -> list[Measurement]:
    """The null rate of each input in a frame made by `drift.drift`, against the reference's worst.

    An input that monitor.drift.informs names only informs: such sources have gaps by nature.
    """
    rule, informs = use_case.monitor.contract, use_case.monitor.drift.informs
    found = []
    for row in drifts.filter(pl.col("column").is_in(use_case.features.inputs)).to_dicts():
        threshold = row["reference_null_rate"] + rule.max_null_rise
        bad: MeasurementVerdict = "inform" if row["column"] in informs else rule.severity
        number = Measurement(
            "contract", f"nulls:{row['column']}", as_of - use_case.monitor.window, as_of,
            value=row["null_rate"], reference=row["reference_null_rate"], threshold=threshold,
            rows=row["rows"], verdict=bad if row["null_rate"] > threshold else "ok",
        )  # fmt: skip
        found.append(number)
    return found


def _by_day(rows: pl.LazyFrame, known: str, start: datetime, as_of: datetime) -> dict[int, int]:
    """Rows by how many whole days before `as_of` they became known; days without rows are out."""
    ago = ((pl.lit(as_of) - pl.col(known)).dt.total_microseconds() - 1) // 86_400_000_000
    counts = rows.filter(pl.col(known) >= start, pl.col(known) < as_of).group_by(ago=ago).len()
    return dict(counts.collect().rows())


def _table_numbers(
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
    now, expected = spans[0], int(median(len(span) for span in normal))
    missing = max(expected - len(now), 0)
    return [
        _volume(f"rows:{name}", sum(now), median(sum(span) for span in normal), rule, as_of),
        Measurement(
            "contract", f"missing_days:{name}", as_of - rule.window, as_of, value=float(missing),
            reference=0.0, threshold=0.0, rows=sum(now),
            verdict=rule.contract.severity if missing else "ok",
        ),
    ]  # fmt: skip


def _volume(
    subject: str, rows: int, expected: float, rule: Monitor, as_of: datetime
) -> Measurement:
    threshold = rule.contract.min_volume * expected
    return Measurement(
        "contract", subject, as_of - rule.window, as_of, value=float(rows),
        reference=float(expected), threshold=threshold, rows=rows,
        verdict=rule.contract.severity if rows < threshold else "ok",
    )  # fmt: skip
