"""Rows of a frame as the columns of a request, and predictions of a request as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from configs.schema.use_case import UseCase
from tasks.serving.predictor import RequestPredictions, ServedRoute
from tasks.serving.row_schema import NOT_GIVEN


def as_request_columns(served: ServedRoute, frame: pl.DataFrame) -> dict[str, Sequence[Any]]:
    """Every field of the rows that the frame has; the others are not given."""
    nothing = [NOT_GIVEN] * frame.height
    return {
        name: frame[name].to_list() if name in frame.columns else nothing
        for name in served.schema.fields
    }


def as_json_rows(served: ServedRoute, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as JSON; the fields that it has."""
    names = [name for name in served.schema.fields if name in frame.columns]
    times = pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return frame.select(names).with_columns(times).to_dicts()


def used_predictions(use_case: UseCase, keys: pl.DataFrame, found: RequestPredictions) -> Any:
    """The used predictions, in the columns of the table `predictions`."""
    used = found.used
    return keys.with_columns(
        value=pl.Series([rows.values[at] for rows, at in used]),
        decision=pl.Series([rows.decisions[at] for rows, at in used]),
        arm=pl.Series(found.arms),
        model_version=pl.Series([rows.version for rows, _ in used], dtype=pl.Int64),
    )
