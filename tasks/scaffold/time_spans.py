"""How long the spans of a new use case are: from how often its sample predicts, and how late labels
come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

import polars as pl

from tasks.scaffold.plan import ScaffoldPlan, TablePlan

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class TimeSpans:
    """Days, rows and moments, as the YAML and the test write them.

    `lag`: how late 19 of 20 labels are known. `start` and `end`: from the first row of the sample
    to the day after the last label.
    """

    lag: int
    validation: int
    holdout: int
    window: int
    train_rows: int
    gate_rows: int
    start: datetime
    end: datetime


def choose_time_spans(plan: ScaffoldPlan) -> TimeSpans:
    """A holdout of four weeks or a thousand labelled rows, if that is longer, but no more than an
    eighth of the sample's span, and a validation of half of that, both in the days whose labels
    have come; rows as many as the sample promises, at most the usual ones.
    """
    asked = _predictions(plan)
    labelled = asked.filter(pl.col("known").is_not_null())
    days = _days(asked["asked"].max(), asked["asked"].min())
    lags = (labelled["known"] - labelled["asked"]).dt.total_seconds() / _DAY.total_seconds()
    lag = ceil(lags.quantile(0.95) or 0)
    a_day = max(labelled.height, 1) / days
    fresh = _between(max(28, ceil(1000 / a_day)), 1, max(days // 8, 1))
    return TimeSpans(
        lag=lag,
        validation=_between(fresh // 2, 1, 28),
        holdout=fresh + lag,
        window=max(365, days + lag),
        train_rows=_between(labelled.height // 4, 50, 1000),
        gate_rows=_between(int(a_day * fresh) // 2, 30, 1000),
        start=_midnight(_times(plan, "min"), 0),
        end=_midnight(_last(_times(plan, "max"), labelled["known"].max()), 1),
    )


def _predictions(plan: ScaffoldPlan) -> pl.DataFrame:
    """Of each row that is predicted: when it is `asked`, and when its label is `known`."""
    subject, label = plan.subject, plan.label
    told = plan.tables[label.table]
    keys = list(subject.keys)
    asked = subject.sample.rows.group_by(keys).agg(asked=pl.col(subject.known).min())
    answers = told.sample.rows.drop_nulls(label.column).with_columns(
        told=pl.lit(told.known_from) if told.known_from else pl.col(told.known)
    )
    known = pl.max_horizontal("told", pl.col("asked") + label.after)
    newest = answers.group_by(keys).agg(pl.col("told").max())
    return asked.join(newest, on=keys, how="left").with_columns(
        known=pl.when(pl.col("told").is_not_null()).then(known)
    )


def _times(plan: ScaffoldPlan, which: str) -> datetime:
    """The first or the last of all times in the samples."""
    found = [
        getattr(table.sample.rows[column], which)()
        for table in plan.tables.values()
        for column in _named_times(table)
    ]
    found += [table.known_from for table in plan.tables.values() if table.known_from]
    first: datetime = (min if which == "min" else max)(found)
    return first


def _last(time: datetime, label: object) -> datetime:
    return max(time, label) if isinstance(label, datetime) else time


def _named_times(table: TablePlan) -> list[str]:
    return [] if table.known_from else [table.event, table.known]


def _midnight(at: datetime, later: int) -> datetime:
    return datetime(at.year, at.month, at.day, tzinfo=UTC) + later * _DAY


def _days(last: object, first: object) -> int:
    assert isinstance(last, datetime)
    assert isinstance(first, datetime)
    return max((last - first) // _DAY, 1)


def _between(number: int, least: int, most: int) -> int:
    return max(least, min(number, most))
