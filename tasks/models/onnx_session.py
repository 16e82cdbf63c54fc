"""ONNX Runtime sessions and their outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from configs.errors import BadModel
from tasks.evaluation.metrics import Floats
from tasks.models.matrix import Matrix

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


ONNX_BATCH_ROWS = 65_536  # rows per call of the runtime: bounds its memory
_OUTPUTS = ("probabilities", "variable")  # of classifiers, of regressors


def open_onnx_session(onnx: bytes) -> InferenceSession:
    """An ONNX Runtime session with one thread; BadModel if the bytes are no such model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as broken:  # the runtime raises a dozen types of its own
        raise BadModel(f"ONNX Runtime cannot open the model: {broken}") from broken
    named = [i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()]
    if named[0] != ["inputs"] or not set(_OUTPUTS) & set(named[1]):
        raise BadModel(
            f"the model wants inputs → {' or '.join(_OUTPUTS)}, it has {named[0]} → {named[1]}"
        )
    return session


def find_output_name(session: InferenceSession) -> str:
    """The output that holds the answers: probabilities of the classes, or the value of a regressor
    as its one column.
    """
    return next(str(o.name) for o in session.get_outputs() if o.name in _OUTPUTS)


def run_onnx(session: InferenceSession, matrix: Matrix) -> Floats:
    """The model's float32 answers as float64, chunk by chunk: probabilities of the event, or
    values, (rows,); or of more than two classes the probability of each, (rows, classes).
    """
    output = find_output_name(session)
    chunks = (
        matrix[at : at + ONNX_BATCH_ROWS] for at in range(0, max(len(matrix), 1), ONNX_BATCH_ROWS)
    )
    found = [select_outputs(session.run([output], {"inputs": chunk})[0]) for chunk in chunks]
    return np.concatenate(found).astype(np.float64)


_Outputs = TypeVar("_Outputs", NDArray[np.float32], NDArray[np.float64])


def select_outputs(probabilities: _Outputs) -> _Outputs:
    """Of the columns of a classifier what answers the question: of two that of the event (rows,),
    of more all; of a regressor's one it is that one.
    """
    return probabilities if probabilities.shape[1] > 2 else probabilities[:, -1]
