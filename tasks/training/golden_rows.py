"""Golden rows of a version, with the outputs of ONNX file and estimator."""

from __future__ import annotations

import numpy as np
import polars as pl

from configs.schema.names import own_name
from tasks.evaluation.prediction_columns import to_prediction_column
from tasks.models.artifact import GOLDEN_ESTIMATOR, GOLDEN_ONNX
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.training.fit import TrainingSplit
from tasks.training.onnx_export import ExportedModel

GOLDEN_ROW_COUNT = 64


def choose_golden_rows(exported: ExportedModel, parts: TrainingSplit) -> pl.DataFrame:
    """Return raw rows spread evenly over validation and holdout, with both predictions of each.

    The predictions of ONNX file and estimator prove parity again without scikit-learn.
    """
    schema = exported.fitted.schema
    rows = pl.concat([parts.validation, parts.holdout]).select(schema.inputs)
    positions = np.unique(np.linspace(0, rows.height - 1, GOLDEN_ROW_COUNT).astype(int))
    chosen = rows[positions]
    matrix = build_matrix(chosen, schema)
    onnx_values = run_onnx(open_onnx_session(exported.onnx), matrix)
    estimator_values = exported.fitted.predict(matrix)
    return chosen.with_columns(
        to_prediction_column(own_name(GOLDEN_ONNX, schema.inputs), onnx_values),
        to_prediction_column(own_name(GOLDEN_ESTIMATOR, schema.inputs), estimator_values),
    )
