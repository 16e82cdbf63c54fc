"""Time spans of a new use case: split, gate and retraining window, chosen from its samples."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

import polars as pl

from tasks.scaffold.plan import ScaffoldPlan

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class TimeSpans:
    """Days, numbers of rows, and the period of the sample.

    `label_lag`: the days after which 19 of 20 labels are known. `rule_weeks`: a window of the
    performance rules, in which most labels are known. `start` and `end`: the day of the
    sample's first row, and the day after its last label.
    """

    label_lag: int
    validation: int
    holdout: int
    window: int
    train_rows: int
    gate_rows: int
    rule_weeks: int
    start: datetime
    end: datetime


def choose_time_spans(plan: ScaffoldPlan) -> TimeSpans:
    """Choose the spans from the number of predictions a day and the lag of the labels.

    The labelled part of the holdout is four weeks or 1,000 labelled rows, the longer of both, but
    at most an eighth of the sample's period. The validation is half of it.
    """
    rows = _predicted_rows(plan)
    labelled = rows.filter(pl.col("known").is_not_null())
    days = _count_days(rows["predicted"].min(), rows["predicted"].max())
    lags = (labelled["known"] - labelled["predicted"]).dt.total_seconds() / _DAY.total_seconds()
    label_lag = ceil(lags.quantile(0.95) or 0)
    labels_a_day = max(labelled.height, 1) / days
    labelled_days = _clamp(max(28, ceil(1000 / labels_a_day)), 1, max(days // 8, 1))
    times = _sample_times(plan, labelled["known"].max())
    return TimeSpans(
        label_lag=label_lag,
        validation=_clamp(labelled_days // 2, 1, 28),
        holdout=labelled_days + label_lag,
        window=max(365, days + label_lag),
        train_rows=_clamp(labelled.height // 4, 50, 1000),
        gate_rows=_clamp(int(labels_a_day * labelled_days) // 2, 30, 1000),
        rule_weeks=max(4, ceil(label_lag * 5 / 7)),
        start=_start_of_day(min(times)),
        end=_start_of_day(max(times)) + _DAY,
    )


def _predicted_rows(plan: ScaffoldPlan) -> pl.DataFrame:
    """Return the time of each prediction (`predicted`) and of its label (`known`)."""
    subject, label = plan.subject, plan.label
    table, keys = plan.tables[label.table], list(subject.keys)
    predicted = subject.sample.rows.group_by(keys).agg(predicted=plan.predicted_at)
    labels = table.sample.rows.drop_nulls(label.column).with_columns(
        newest=pl.lit(table.known_from) if table.known_from else pl.col(table.known)
    )
    known = pl.max_horizontal("newest", pl.col("predicted") + label.after)
    newest = labels.group_by(keys).agg(pl.col("newest").max())
    return predicted.join(newest, on=keys, how="left").with_columns(
        known=pl.when(pl.col("newest").is_not_null()).then(known)
    )


def _sample_times(plan: ScaffoldPlan, last_label: object) -> list[datetime]:
    """Return the first and last values of all time columns, and the time of the last label."""
    times: list[object] = [last_label]
    for table in plan.tables.values():
        if table.known_from:
            times.append(table.known_from)
        else:
            columns = (table.sample.rows[name] for name in (table.event, table.known))
            times += [time for column in columns for time in (column.min(), column.max())]
    times.append(plan.subject.sample.rows[plan.subject.event].min() - plan.ahead)  # type: ignore[operator]
    return [time for time in times if isinstance(time, datetime)]


def _start_of_day(time: datetime) -> datetime:
    return datetime(time.year, time.month, time.day, tzinfo=UTC)


def _count_days(first: object, last: object) -> int:
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return max((last - first) // _DAY, 1)


def _clamp(number: int, least: int, most: int) -> int:
    return max(least, min(number, most))
