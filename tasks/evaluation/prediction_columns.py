"""Predictions as arrays and as table columns."""

from __future__ import annotations

import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import problem_type_of

VALUE, DECISION = "__value", "__decision"
"""Columns of the predictions in frames that also hold columns of the data."""
OTHER_VALUE, OTHER_DECISION = "__other_value", "__other_decision"
"""The same of the other one of two versions."""


def read_predictions(
    use_case: UseCase, rows: pl.DataFrame, value: str = VALUE, decision: str = DECISION
) -> Predictions:
    """Read the predictions of a frame.

    Args:
        use_case: the use case.
        rows: the frame.
        value: column of the values.
        decision: column of the decisions.
    """
    decisions = problem_type_of(use_case).to_decision_array(rows[decision])
    return Predictions(to_prediction_array(rows[value]), decisions)


def to_prediction_column(name: str, values: Floats) -> pl.Series:
    """Return predictions as a column: Float64, or List(Float64) of values (rows, classes)."""
    # Delta stores lists, not arrays of a fixed size; so the column equals a stored one.
    column = pl.Series(
        name, values, dtype=None if values.ndim == 1 else pl.Array(pl.Float64, values.shape[1])
    )
    return column if values.ndim == 1 else column.arr.to_list()


def to_prediction_array(column: pl.Series) -> Floats:
    """Return the inverse of `to_prediction_column`; without rows (0,) or (0, 0)."""
    if column.dtype == pl.List:
        column = column.list.to_array(column.list.len().to_numpy().max(initial=0))
    return column.to_numpy()
