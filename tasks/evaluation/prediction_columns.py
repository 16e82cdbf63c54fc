"""Predictions as arrays and as table columns."""

from __future__ import annotations

import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import problem_type_of


def read_predictions(use_case: UseCase, rows: pl.DataFrame, of: str = "") -> Predictions:
    """The answers in the columns value and decision of a table, `of` before both names."""
    value = to_prediction_array(rows[f"{of}value"])
    return Predictions(value, problem_type_of(use_case).to_decision_array(rows[f"{of}decision"]))


def to_prediction_column(name: str, answers: Floats) -> pl.Series:
    """A model's answers as a column: Float64, or List(Float64) of answers (rows, classes).

    Delta keeps lists, not arrays of a fixed size; a column that is the same before and after can
    be compared with what a table holds.
    """
    column = pl.Series(
        name, answers, dtype=None if answers.ndim == 1 else pl.Array(pl.Float64, answers.shape[1])
    )
    return column if answers.ndim == 1 else column.arr.to_list()


def to_prediction_array(column: pl.Series) -> Floats:
    """The inverse of `to_column`; of no rows at all (0,) or (0, 0)."""
    if column.dtype == pl.List:
        column = column.list.to_array(column.list.len().to_numpy().max(initial=0))
    return column.to_numpy()
