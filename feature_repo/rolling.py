"""Sums over moving windows at regular moments, from rows that may be corrected later.

A row counts while it is known, not yet corrected and inside the window: one span of time. The sum
at a moment covers the open spans. It is a running total: a span adds its value when it opens and
subtracts it when it closes. So a year costs two sorts and an ASOF join, not a range join. Values
are integers, so the running totals are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

_MICROSECOND = timedelta(microseconds=1)


def versions(rows: pl.LazyFrame, keys: Sequence[str], event: str, known: str) -> pl.LazyFrame:
    """Add the span in which each row is the current one of its `keys`.

    `since` is when it had happened and was known. `until` is `since` of the next row of the same
    keys, and null for the newest row.
    """
    since = pl.max_horizontal(event, known).alias("since")
    ordered = rows.with_columns(since).sort("since", maintain_order=True)
    return ordered.with_columns(until=pl.col("since").shift(-1).over(keys))


def ticks(
    spans: pl.LazyFrame,
    every: timedelta,
    start: datetime,
    end: datetime,
    *,
    opens: pl.Expr,
    closes: pl.Expr,
    at: timedelta = timedelta(0),
) -> pl.LazyFrame:
    """Return the moments in [start, end) at which a span is open, as `tick`, in order.

    A span is open while opens <= tick < closes; it stays open if `closes` is null. So the number
    of ticks follows the spans, not the time between `start` and `end`.

    Args:
        spans: rows with the columns of `opens` and `closes`.
        every: time between two ticks; each is `at` past a multiple of it.
        start: first possible tick.
        end: end of the ticks.
        opens: start of a span.
        closes: end of a span, or null.
        at: offset of the ticks.
    """
    step, offset = every // _MICROSECOND, at // _MICROSECOND

    def number(time: pl.Expr) -> pl.Expr:
        """Return the number of the first tick at a time or later."""
        return -((offset - time.dt.epoch("us")) // step)

    numbered = spans.select(
        first=number(pl.max_horizontal(opens, pl.lit(start))),
        last=number(pl.min_horizontal(closes, pl.lit(end))),
    ).filter(pl.col("first") < pl.col("last"))
    apart = pl.col("first") > pl.col("last").cum_max().shift(1)
    merged = (
        numbered.sort("first")
        .group_by(apart.fill_null(value=True).cum_sum().alias("stretch"), maintain_order=True)
        .agg(pl.col("first").min(), pl.col("last").max())
    )
    ticked = merged.select(tick=pl.int_ranges("first", "last")).explode("tick")
    return ticked.select((pl.col("tick") * step + offset).cast(pl.Datetime("us", "UTC")))


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
