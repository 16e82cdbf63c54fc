"""ONNX Runtime sessions: opening a model, running it, selecting its outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from configs.errors import BadModel
from tasks.evaluation.metrics import Floats
from tasks.models.matrix import Matrix
from tasks.models.onnx_graph import OUTPUT_NAMES, require_safe_graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


ONNX_BATCH_ROWS = 65_536  # per call of the runtime: bounds its memory


def open_onnx_session(onnx: bytes) -> InferenceSession:
    """Check the graph and open a session with one thread.

    Raises:
        BadModel: the bytes are no model of the kind that training exports.
    """
    require_safe_graph(onnx)
    try:
        return start_session(onnx)
    except Exception as error:  # the runtime has a dozen error types
        raise BadModel(f"ONNX Runtime cannot open the model: {error}") from error


def start_session(onnx: bytes) -> InferenceSession:
    """Start a session with one thread, without a check of the graph.

    Several threads add in another order, so predictions differ in their last digits.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def find_output_name(session: InferenceSession) -> str:
    """Return the name of the output with the predictions."""
    return next(str(o.name) for o in session.get_outputs() if o.name in OUTPUT_NAMES)


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
