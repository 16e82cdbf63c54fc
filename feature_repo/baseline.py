"""Baseline features of a new use case: the newest row of each table.

They are point-in-time correct: a row counts from when it was known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl


def known_in(
    rows: pl.LazyFrame, event: str, known: str, start: datetime, end: datetime
) -> pl.LazyFrame:
    """Return the rows known in [start, end), with the two times of a feature row.

    A row that is known before it happens counts from when it was known.
    """
    created = pl.col(known)
    return rows.filter(created >= start, created < end).with_columns(
        event_timestamp=pl.min_horizontal(event, known), created_timestamp=created
    )


def days_since(column: str) -> pl.Expr:
    """Return the days from a date to the row's own event; negative before it."""
    span = pl.col("event_timestamp") - pl.col(column)
    return span.dt.total_seconds() / 86_400


def first(rows: pl.LazyFrame, keys: Sequence[str], known: str) -> pl.LazyFrame:
    """Return the row of each key that was known first."""
    return rows.sort(known, maintain_order=True).unique(keys, keep="first", maintain_order=True)


def newest(rows: pl.LazyFrame, keys: Sequence[str], known: str) -> pl.LazyFrame:
    """Return the row of each key that was known last."""
    return rows.sort(known, maintain_order=True).unique(keys, keep="last", maintain_order=True)


def upcoming(
    rows: pl.LazyFrame,
    series: Sequence[str],
    event: str,
    known: str,
    every: timedelta,
    ahead: timedelta,
    start: datetime,
    end: datetime,
) -> pl.LazyFrame:
    """Return a row for each series and step of time that is predicted in [start, end).

    A step is predicted `ahead` of its event, whether its row has landed or not. A series begins
    when its first row is known.

    Args:
        rows: the rows that have landed.
        series: columns that identify a series; none if there is one.
        event: column of the event time.
        known: column of the time when a row was known.
        every: time between two rows of a series.
        ahead: time from the prediction to the event.
        start: first prediction time.
        end: end of the prediction times.
    """
    firsts = [pl.col(event).min().alias("origin"), pl.col(known).min().alias("since")]
    begun = rows.group_by(series).agg(firsts) if series else rows.select(firsts)
    width = every // timedelta(microseconds=1)

    def count_steps(moment: datetime) -> pl.Expr:
        passed = (pl.lit(moment) + ahead - pl.col("origin")).dt.total_microseconds()
        return ((passed + width - 1) // width).clip(0)

    steps = pl.int_ranges(count_steps(start), count_steps(end)).alias("step")
    passed = pl.duration(microseconds=pl.col("step") * width)
    return (
        begun.filter(pl.col("origin").is_not_null())
        .with_columns(steps)
        .explode("step")
        .drop_nulls("step")
        .with_columns((pl.col("origin") + passed).alias(event))
        .with_columns(prediction_time=pl.col(event) - ahead)
        .filter(pl.col("prediction_time") >= pl.col("since"))
        .select(*series, event, "prediction_time")
    )
