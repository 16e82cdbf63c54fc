"""Feedback with the prediction that it is about, and its labels.

A label of feedback counts from the moment when it came, for rows whose label the feature module
does not know. A flag is never a label.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import polars as pl

from configs.schema.use_case import UseCase
from tasks.storage.lake import open_lake
from tasks.storage.logged_requests import decode_keys, scan_feedback, scan_requests

_PREDICTIONS = "predictions"
_VERSION = "model_version"


def read_feedback(use_case: UseCase, as_of: datetime) -> pl.DataFrame:
    """Return the feedback known by `as_of`, oldest first, with keys and version of its prediction.

    Columns: keys of the spine, model_version, feedback_id, moment, request_id, row, label, flag,
    comment, by. Keys and version are null if no request or prediction is known to fit. Feedback
    that came twice by id counts once. Without columns if there was never any.
    """
    feedback = scan_feedback(use_case)
    if feedback is None:
        return pl.DataFrame()
    keys = list(use_case.spine.key)
    rows = feedback.filter(pl.col("moment") <= as_of).sort("moment", "feedback_id").collect()
    rows = rows.unique("feedback_id", keep="first", maintain_order=True)
    own = rows.with_columns(*decode_keys(use_case, pl.col("keys")))
    joined = _join_requests(use_case, own)
    joined = joined.with_columns(pl.coalesce(key, f"__{key}").alias(key) for key in keys)
    return _join_predictions(use_case, joined).select(
        *keys, _VERSION, "feedback_id", "moment", "request_id", "row", "label", "flag", "comment",
        "by",
    )  # fmt: skip


def add_feedback_labels(
    use_case: UseCase,
    labels: pl.DataFrame,
    span: tuple[datetime, datetime],
    as_of: datetime,
    read_spine: Callable[[], pl.DataFrame],
) -> pl.DataFrame:
    """Return labels with those of feedback, where a key has no label yet.

    The last label that came for a key counts.

    Args:
        use_case: the use case.
        labels: the known labels of the feature module, in its own types.
        span: prediction times [start, end) of the labels.
        as_of: end of the knowledge.
        read_spine: returns the spine of the span; called only if feedback has labels.
    """
    plan = use_case.serving.feedback if use_case.serving else None
    if plan is None or not plan.labels:
        return labels
    feedback = read_feedback(use_case, as_of)
    if not feedback.columns:
        return labels
    keys, name = list(use_case.spine.key), use_case.label.column
    labelled = feedback.drop_nulls(["label", *keys]).unique(keys, keep="last", maintain_order=True)
    known = labels.drop_nulls(name).select(pl.col(key).cast(labelled.schema[key]) for key in keys)
    new = labelled.join(known, on=keys, how="anti", maintain_order="left")
    if new.is_empty():
        return labels
    timed = new.join(_read_times(use_case, span, read_spine(), new), on=keys)
    rows = timed.select(
        *(pl.col(key).cast(labels.schema[key]) for key in keys),
        use_case.spine.time,
        _read_labels(use_case, labels.schema[name]).alias(name),
        pl.col("moment").alias(use_case.label.known_time),
    )
    others = labels.join(rows, on=keys, how="anti", nulls_equal=True, maintain_order="left")
    return pl.concat([others, rows], how="diagonal_relaxed")


def _join_requests(use_case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Add keys (as `__<key>`) and version of the request that feedback names."""
    keys, place = list(use_case.spine.key), ["request_id", "row"]
    requests, named = scan_requests(use_case), rows.select(place).drop_nulls()
    if requests is None:
        types = rows.schema
        return rows.with_columns(
            *(pl.lit(None, types[key]).alias(f"__{key}") for key in keys),
            pl.lit(None, pl.Int64).alias(_VERSION),
        )
    predicted = requests.join(named.lazy(), on=place, how="semi").select(*place, "keys", _VERSION)
    typed = predicted.collect().unique(place).with_columns(*decode_keys(use_case, pl.col("keys")))
    prefixed = typed.drop("keys").rename({key: f"__{key}" for key in keys})
    return rows.join(prefixed, on=place, how="left", maintain_order="left")


def _join_predictions(use_case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Fill the version of feedback that names a key, from the prediction of the key."""
    keys, lake = list(use_case.spine.key), open_lake(use_case.name)
    if not lake.exists(_PREDICTIONS):
        return rows
    wanted = rows.filter(pl.col(_VERSION).is_null()).select(keys).drop_nulls().unique()
    table = lake.scan(_PREDICTIONS).select(*keys, pl.col(_VERSION).alias("__version"))
    table = table.with_columns(pl.col(key).cast(rows.schema[key]) for key in keys)
    predicted = table.join(wanted.lazy(), on=keys, how="semi").collect().unique(keys, keep="last")
    joined = rows.join(predicted, on=keys, how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(_VERSION, "__version").alias(_VERSION))


def _read_times(
    use_case: UseCase,
    span: tuple[datetime, datetime],
    spine: pl.DataFrame,
    rows: pl.DataFrame,
) -> pl.DataFrame:
    """Return keys and prediction times in a span: of the spine, else of the predictions."""
    keys, time, lake = list(use_case.spine.key), use_case.spine.time, open_lake(use_case.name)
    columns = [*(pl.col(key).cast(rows.schema[key]) for key in keys), pl.col(time)]
    parts = [spine.select(columns)]
    if lake.exists(_PREDICTIONS):
        inside = (pl.col(time) >= span[0]) & (pl.col(time) < span[1])
        parts.append(lake.scan(_PREDICTIONS).filter(inside).select(columns).collect())
    return pl.concat(parts, how="vertical_relaxed").unique(keys, keep="first")


def _read_labels(use_case: UseCase, kind: pl.DataType) -> pl.Expr:
    """Return the texts of labels in the type of the feature module's."""
    text = pl.col("label")
    if use_case.label.kind == "multiclass":
        return text.cast(kind)
    number = text.cast(pl.Float64, strict=False)
    return number.cast(kind if kind.is_numeric() or kind == pl.Boolean else pl.Float64)
