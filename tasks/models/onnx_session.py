"""ONNX Runtime sessions: opening a model, running it, selecting its outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from configs.errors import BadModel
from tasks.evaluation.metrics import Floats
from tasks.models.matrix import Matrix

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


ONNX_BATCH_ROWS = 65_536  # per call of the runtime: bounds its memory
_OUTPUTS = ("probabilities", "variable")  # of classifiers, of regressors


def open_onnx_session(onnx: bytes) -> InferenceSession:
    """Open a session with one thread; raise BadModel if the bytes are not a supported model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has a dozen error types
        raise BadModel(f"ONNX Runtime cannot open the model: {error}") from error
    inputs = [one.name for one in session.get_inputs()]
    outputs = [one.name for one in session.get_outputs()]
    if inputs != ["inputs"] or not set(_OUTPUTS) & set(outputs):
        raise BadModel(
            f"the ONNX model must have inputs → {' or '.join(_OUTPUTS)}, "
            f"but has {inputs} → {outputs}"
        )
    return session


def find_output_name(session: InferenceSession) -> str:
    """Return the name of the output with the predictions."""
    return next(str(o.name) for o in session.get_outputs() if o.name in _OUTPUTS)


def run_onnx(session: InferenceSession, matrix: Matrix) -> Floats:
    """Run the model in batches; return its float32 predictions as float64.

    Probabilities of the event or numbers (rows,); of more than two classes (rows, classes).
    """
    output = find_output_name(session)
    batches = (
        matrix[at : at + ONNX_BATCH_ROWS] for at in range(0, max(len(matrix), 1), ONNX_BATCH_ROWS)
    )
    results = [select_outputs(session.run([output], {"inputs": batch})[0]) for batch in batches]
    return np.concatenate(results).astype(np.float64)


_Outputs = TypeVar("_Outputs", NDArray[np.float32], NDArray[np.float64])


def select_outputs(probabilities: _Outputs) -> _Outputs:
    """Return the predictions in a model's output columns.

    Of two classes the event's probability (rows,), of more all columns; of a regressor its value.
    """
    return probabilities if probabilities.shape[1] > 2 else probabilities[:, -1]
