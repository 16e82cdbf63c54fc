"""Predictions of logged requests as rows of the prediction tables.

A row has the prediction time of its key in the spine, if the key has landed; else the time that its
request gave; else the moment of the request. `scored_as_of` is that moment, and `__request_id`
and `__request_row` name the row of the log; both are null in rows of batch scoring.

A key has one prediction: the first one, by batch or by request. So batch scoring leaves out rows
that a request predicted, and a second request of a key stays in the log alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.retrieval import build_spine
from tasks.rollout.prediction_log import (
    PREDICTIONS,
    REQUEST_ID,
    REQUEST_ROW,
    SHADOWS,
    drop_predicted_rows,
    find_request_margin,
)
from tasks.scoring.predictions import append_predictions
from tasks.storage.chunks import TimeSpan, chunk_in_memory
from tasks.storage.logged_requests import decode_fields, decode_keys, has_plain_keys

_DECISIONS = {"binary": pl.Boolean, "regression": pl.Float64, "multiclass": pl.String}
_INSTANT = timedelta(microseconds=1)


def append_logged_predictions(
    use_case: UseCase, batches: Mapping[str, pl.DataFrame], as_of: datetime
) -> int:
    """Append the used predictions of logged requests, and their shadows; return their number.

    Rows of a key that has a prediction are left out, so a second call appends nothing. Without
    readable keys in the log nothing is appended.

    Args:
        use_case: the use case.
        batches: rows of the table `requests`, by landed file.
        as_of: end of the knowledge about the spine.
    """
    logged = pl.concat(batches.values()) if batches else pl.DataFrame()
    if logged.is_empty() or not has_plain_keys(use_case):
        return 0
    rows = _select_first(use_case, _read_rows(use_case, logged))
    rows = _set_prediction_times(use_case, rows, as_of)
    if rows.is_empty():
        return 0
    span = _find_span(use_case, rows)
    rows = drop_predicted_rows(use_case, rows, span)
    shadows = _list_shadows(use_case, rows)
    for table, part in ((SHADOWS, shadows), (PREDICTIONS, _list_used(use_case, rows))):
        appended = append_predictions(use_case, table, [chunk_in_memory(span, part)], span)
    return appended


def _read_rows(use_case: UseCase, logged: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with their keys and given prediction time as columns."""
    time = use_case.spine.time
    return logged.with_columns(
        *decode_keys(use_case, pl.col("keys")),
        *decode_fields(pl.col("inputs"), {time: pl.Datetime("us", "UTC")}),
    )


def _select_first(use_case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the first row of each key that has a predicted value."""
    ordered = rows.filter(pl.col("value") != "null").sort("moment", "request_id", "row")
    keys = list(use_case.spine.key)
    return ordered.drop_nulls(keys).unique(keys, keep="first", maintain_order=True)


def _set_prediction_times(use_case: UseCase, rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Set the prediction time of each row: of the spine, of the request, or its moment."""
    keys, time = list(use_case.spine.key), use_case.spine.time
    rows = rows.with_columns(pl.coalesce(time, "moment").alias(time))
    if rows.is_empty():
        return rows
    spine = build_spine(use_case, *_find_span(use_case, rows), as_of)
    known = spine.select(
        *(pl.col(key).cast(rows.schema[key]) for key in keys), pl.col(time).alias("_known")
    ).unique(keys, keep="first", maintain_order=True)
    joined = rows.join(known, on=keys, how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("_known", time).alias(time)).drop("_known")


def _find_span(use_case: UseCase, rows: pl.DataFrame) -> TimeSpan:
    """Return prediction times that hold the rows, and other predictions of their keys."""
    margin, times = find_request_margin(use_case), rows[use_case.spine.time]
    first, last = times.min(), times.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first - margin, last + margin + _INSTANT


def _list_used(use_case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the used predictions as rows of `predictions`."""
    value = decode_value(use_case, pl.col("value"))
    used = _add_origin(rows).with_columns(
        value.alias(problem_type_of(use_case).value_column),
        decode_decision(use_case, pl.col("decision")),
    )
    return used.select(_list_columns(use_case))


def _list_shadows(use_case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the predictions of the other versions as rows of `shadows`."""
    kind = problem_type_of(use_case)
    shadow = pl.Struct(
        {
            "model_version": pl.Int64,
            "role": pl.String,
            "value": _value_type(use_case),
            "decision": _DECISIONS[use_case.label.kind],
        }
    )
    listed = rows.with_columns(pl.col("shadows").str.json_decode(pl.List(shadow)))
    each = _add_origin(listed).explode("shadows").drop_nulls("shadows")
    fields = pl.col("shadows").struct
    return each.with_columns(
        fields.field("value").alias(kind.value_column),
        fields.field("decision").alias("decision"),
        fields.field("role").alias("arm"),
        fields.field("model_version"),
    ).select(_list_columns(use_case))


def _add_origin(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with the columns that say where a prediction comes from."""
    return rows.with_columns(
        pl.concat_str(pl.lit("request "), "request_id").alias("run_id"),
        pl.col("moment").alias("scored_as_of"),
        pl.col("request_id").alias(REQUEST_ID),
        pl.col("row").alias(REQUEST_ROW),
    )


def _list_columns(use_case: UseCase) -> list[str]:
    return [
        *use_case.spine.key, use_case.spine.time, problem_type_of(use_case).value_column,
        "decision", "arm", "model_version", "run_id", "scored_as_of", REQUEST_ID, REQUEST_ROW,
    ]  # fmt: skip


def decode_value(use_case: UseCase, text: pl.Expr) -> pl.Expr:
    """Return logged values in the type of the prediction tables."""
    kind = _value_type(use_case)
    return text.cast(pl.Float64) if kind == pl.Float64 else text.str.json_decode(kind)


def _value_type(use_case: UseCase) -> Any:  # noqa: ANN401
    return pl.List(pl.Float64) if use_case.label.kind == "multiclass" else pl.Float64


def decode_decision(use_case: UseCase, text: pl.Expr) -> pl.Expr:
    """Return logged decisions in the type of the prediction tables."""
    kind = _DECISIONS[use_case.label.kind]
    return text == "true" if kind == pl.Boolean else text.cast(kind)
