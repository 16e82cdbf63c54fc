"""Sums over moving windows at regular moments, from rows that may be corrected later.

A row counts while it is known, not yet corrected and inside the window: one span of time. The sum
at a moment covers the open spans. It is a running total: a span adds its value when it opens and
subtracts it when it closes. So a year costs two sorts and an ASOF join, not a range join. Values
are integers, so the running totals are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def versions(rows: pl.LazyFrame, keys: Sequence[str], event: str, known: str) -> pl.LazyFrame:
    """Add the span in which each row is the current one of its `keys`.

    `since` is when it had happened and was known. `until` is `since` of the next row of the same
    keys, and null for the newest row.
    """
    since = pl.max_horizontal(event, known).alias("since")
    ordered = rows.with_columns(since).sort("since", maintain_order=True)
    return ordered.with_columns(until=pl.col("since").shift(-1).over(keys))


def ticks(
    every: timedelta, start: datetime, end: datetime, *, at: timedelta = timedelta(0)
) -> pl.LazyFrame:
    """Return the moments in [start, end) that are `at` past a multiple of `every`, as `tick`."""
    past = (start - EPOCH - at) % every
    first = start + (every - past if past else past)
    moments = pl.datetime_range(first, end, every, closed="left", time_unit="us", eager=True)
    return pl.LazyFrame({"tick": moments.cast(pl.Datetime("us", "UTC"))})


def totals(
    spans: pl.LazyFrame,
    grid: pl.LazyFrame,
    by: Sequence[str],
    values: Sequence[str],
    *,
    opens: pl.Expr,
    closes: pl.Expr,
) -> pl.LazyFrame:
    """Add the sum of each of `values` over the spans that are open at each row's tick.

    A span is open while opens <= tick < closes; it stays open if `closes` is null. Without an open
    span the sum is 0.

    Args:
        spans: rows with the columns of `by` and `values`.
        grid: rows with the columns of `by` and `tick`.
        by: group columns.
        values: integer columns to sum.
        opens: start of a span.
        closes: end of a span, or null.
    """
    bounded = spans.select(*by, *values, opens=opens, closes=closes).filter(
        pl.col("closes").is_null() | (pl.col("opens") < pl.col("closes"))
    )
    brought = bounded.select(*by, *values, at="opens")
    taken = bounded.drop_nulls("closes").select(*by, *(-pl.col(v) for v in values), at="closes")
    running = (
        pl.concat([brought, taken])
        .group_by(*by, "at")
        .agg(pl.col(values).sum())
        .sort("at")
        .with_columns(pl.col(values).cum_sum().over(by))
    )
    joined = grid.sort("tick").join_asof(
        running, left_on="tick", right_on="at", by=by, check_sortedness=False
    )
    return joined.drop("at").with_columns(pl.col(values).fill_null(0))
