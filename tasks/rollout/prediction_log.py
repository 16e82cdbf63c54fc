"""Read the predictions and shadows tables."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from configs.schema.use_case import UseCase
from tasks.rollout.assignment import CHAMPION
from tasks.storage.chunks import ALL_TIMES, TimeSpan
from tasks.storage.lake import open_lake

PREDICTIONS, SHADOWS, CONTRIBUTIONS = "predictions", "shadows", "contributions"
REQUEST_ID, REQUEST_ROW = "__request_id", "__request_row"
"""Columns of predictions that a request got: the row of the request log. Null in others."""
_USED = "__used"


def read_all_predictions(use_case: UseCase, start: datetime, end: datetime) -> pl.DataFrame:
    """Read every prediction of the prediction times [start, end), used or not.

    The columns are those of `predictions`, and `__used`. Rows without an arm are older than
    rollouts and count as the champion's. NoRows if nothing was ever scored.
    """
    lake, time = open_lake(use_case.name), pl.col(use_case.spine.time)
    tables = [PREDICTIONS] if not lake.exists(SHADOWS) else [PREDICTIONS, SHADOWS]
    parts = [
        lake.scan(table)
        .filter(time >= start, time < end)
        .with_columns(pl.lit(table == PREDICTIONS).alias(_USED))
        .collect()
        for table in tables
    ]
    rows = pl.concat([*parts, pl.DataFrame(schema={"arm": pl.String})], how="diagonal")
    # a run killed between the two tables may have left one prediction in both
    unique = rows.unique([*use_case.spine.key, "model_version"], keep="first", maintain_order=True)
    return unique.with_columns(pl.col("arm").fill_null(CHAMPION)).sort(
        use_case.spine.time, *use_case.spine.key
    )


def drop_predicted_rows(use_case: UseCase, rows: pl.DataFrame, span: TimeSpan) -> pl.DataFrame:
    """Return the rows whose key has no prediction in a span, in their order.

    A prediction of a request counts also if it was made somewhat before the span.

    Args:
        use_case: the use case.
        rows: rows with the keys of the spine.
        span: prediction times in which a prediction counts.
    """
    lake, keys = open_lake(use_case.name), list(use_case.spine.key)
    if rows.is_empty() or not lake.exists(PREDICTIONS):
        return rows
    table, time = lake.scan(PREDICTIONS), pl.col(use_case.spine.time)
    counts = time >= span[0]
    if REQUEST_ID in lake.schema(PREDICTIONS):
        early = span[0] - min(find_request_margin(use_case), span[0] - ALL_TIMES[0])
        counts |= (time >= early) & pl.col(REQUEST_ID).is_not_null()
    predictions = table.filter(counts, time < span[1])
    predicted = predictions.select(pl.col(key).cast(rows.schema[key]) for key in keys).collect()
    return rows.join(predicted, on=keys, how="anti", nulls_equal=True, maintain_order="left")


def find_request_margin(use_case: UseCase) -> timedelta:
    """Return how far a request's time and the prediction time of its key may lie apart."""
    return use_case.schedules.score_window + use_case.schedules.score_patience


def read_request_predictions(use_case: UseCase, table: str, span: TimeSpan) -> pl.DataFrame:
    """Return the rows of a prediction table that requests got; no columns without any.

    Args:
        use_case: the use case.
        table: `predictions` or `shadows`.
        span: prediction times [start, end).
    """
    lake, time = open_lake(use_case.name), pl.col(use_case.spine.time)
    if not lake.exists(table) or REQUEST_ID not in lake.schema(table):
        return pl.DataFrame()
    of_request = pl.col(REQUEST_ID).is_not_null()
    existing = lake.scan(table).filter(time >= span[0], time < span[1], of_request).collect()
    return existing if existing.height else pl.DataFrame()


def select_used(predictions: pl.DataFrame) -> pl.DataFrame:
    """Return the predictions that were used: one row a key."""
    return predictions.filter(_USED).drop(_USED)


def select_version(predictions: pl.DataFrame, version: int) -> pl.DataFrame:
    """Return the predictions of one version, used or not: at most one row a key."""
    return predictions.filter(pl.col("model_version") == version).drop(_USED)
