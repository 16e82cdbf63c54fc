"""Baseline features of a new use case: the newest row of each table.

They are point-in-time correct: a row counts from when it was known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

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
