"""Predictions as table columns, and back."""

import numpy as np
import polars as pl
import pytest

from tasks.evaluation.prediction_columns import to_prediction_array, to_prediction_column


@pytest.mark.parametrize("shape", [(5,), (5, 3), (0,)])
def test_to_prediction_array_reads_what_the_column_holds(shape):
    values = np.random.default_rng(0).random(shape)
    column = to_prediction_column("score", values)
    assert column.dtype == (pl.Float64 if len(shape) == 1 else pl.List(pl.Float64))
    np.testing.assert_array_equal(to_prediction_array(column), values)
