"""ONNX sessions: batches change no output, and files that are no model are refused."""

import numpy as np
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from configs.errors import BadModel
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.training.learners.onnx_conversion import convert_to_onnx
from tests.support.flights import quick_use_case

USE_CASE = quick_use_case()


def test_chunks_change_no_answer(fitted_flights, january_split, monkeypatch):
    session = open_onnx_session(
        convert_to_onnx(fitted_flights.estimator, len(fitted_flights.schema.inputs))
    )
    matrix = build_matrix(january_split.holdout, fitted_flights.schema)
    whole = run_onnx(session, matrix)
    monkeypatch.setattr("tasks.models.onnx_session.ONNX_BATCH_ROWS", 100)
    np.testing.assert_array_equal(run_onnx(session, matrix), whole)
    assert run_onnx(session, matrix[:0]).shape == (0,)


def test_a_corrupted_file_is_refused(fitted_flights):
    onnx = convert_to_onnx(fitted_flights.estimator, len(fitted_flights.schema.inputs))
    with pytest.raises(BadModel, match="no ONNX model"):
        open_onnx_session(onnx[: len(onnx) // 2])
    with pytest.raises(BadModel, match="no ONNX model"):
        open_onnx_session(b"no model")


def test_a_model_with_other_names_is_refused(fitted_flights):
    kind = FloatTensorType([None, len(fitted_flights.schema.inputs)])
    other = convert_sklearn(fitted_flights.estimator, initial_types=[("x", kind)])
    with pytest.raises(BadModel, match="must have inputs"):
        open_onnx_session(other.SerializeToString())
