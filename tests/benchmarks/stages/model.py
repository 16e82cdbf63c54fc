"""From rows with their features to probabilities: matrix and ONNX, and others on a ready matrix."""

from __future__ import annotations

from typing import Any

import joblib
import numpy as np

from configs.settings import settings
from tasks.models.matrix import InputSchema
from tests.benchmarks import years
from tests.benchmarks.work import Answer, Work


def ours(rows: int) -> Work:
    """`registry.predict`: the matrix, and ONNX Runtime on it."""
    from tasks.models.registry import open_model, predict

    model, frame = open_model(years.NAME, 1), years.joined(rows)
    return lambda: _answer(predict(model, frame))


def matrix(rows: int) -> Work:
    """The matrix alone."""
    from tasks.models.matrix import build_matrix

    inputs, frame = inputs_of(), years.joined(rows)
    return lambda: Answer(len(build_matrix(frame, inputs)))


def onnx(rows: int) -> Work:
    """ONNX Runtime alone, one thread, on a ready matrix."""
    session, ready = session_of(), _matrix(rows)
    return lambda: _answer(session.run(["probabilities"], {"inputs": ready})[0][:, 1])


def sklearn(rows: int) -> Work:
    """The estimator's own predict_proba on a ready matrix."""
    estimator, ready = estimator_of(), _matrix(rows)
    return lambda: _answer(estimator.predict_proba(ready)[:, 1])


def session_of() -> Any:
    """The champion's file in ONNX Runtime."""
    import onnxruntime

    from tasks.models.registry import open_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnx = open_model(years.NAME, 1).onnx
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def inputs_of() -> InputSchema:
    """The champion's inputs and vocabularies."""
    from tasks.models.registry import open_model

    return open_model(years.NAME, 1).card.inputs


def estimator_of() -> Any:
    """The champion as it was fitted."""
    return joblib.load(settings().state / "model" / years.ESTIMATOR)


def _matrix(rows: int) -> np.ndarray[Any, Any]:
    from tasks.models.matrix import build_matrix

    return build_matrix(years.joined(rows), inputs_of())


def _answer(probabilities: np.ndarray[Any, Any]) -> Answer:
    return Answer(len(probabilities), float(np.mean(probabilities)))
