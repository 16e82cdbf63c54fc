"""ONNX: the exported file, proof that it answers like the estimator, and what it costs to run."""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict, Field

from configs.errors import BadModel
from configs.use_case import UseCase
from tasks.kinds import Kind, Threshold, kind_of
from tasks.matrix import Matrix, build_matrix
from tasks.training import Fitted, Parts, told

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = NDArray[np.float64]
CHUNK = 65_536  # rows per call of the runtime: bounds its memory
_OUTPUTS = ("probabilities", "variable")  # of classifiers, of regressors
_CALLS = 500


class Footprint(BaseModel):
    """What one model costs to run, measured with one thread on the machine that exported it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int = Field(description="size of the ONNX file")
    latency_p50_us: float = Field(description="one row, ONNX Runtime alone")
    latency_p99_us: float
    rows_per_second: float = Field(description="in one batch of at most 65,536 rows")
    peak_memory_mib: float = Field(
        description="peak resident memory of a fresh Python process that opens the file and "
        "scores that batch"
    )


@dataclass(frozen=True)
class Exported:
    """A candidate as ONNX bytes that were proved equal to the estimator on the rows held back."""

    fitted: Fitted
    onnx: bytes
    threshold: Threshold
    parity: float
    footprint: Footprint


def to_onnx(estimator: Any, inputs: int) -> bytes:  # noqa: ANN401
    """The ONNX file of a fitted estimator: float32 `inputs` (rows, inputs) in; of a classifier,
    label and `probabilities` (rows, classes) out, of a regressor `variable` (rows, 1). BadModel if
    sklearn-onnx has no converter for it.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
    from sklearn.base import is_classifier

    estimator = _comparing_in_float32(estimator)
    kind = [("inputs", FloatTensorType([None, inputs]))]
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    name = type(estimator).__name__  # without one it is random, and so is the file's digest
    try:
        model = convert_sklearn(estimator, name, initial_types=kind, options=options)
    except (MissingConverter, MissingShapeCalculator) as missing:
        raise BadModel(
            f"sklearn-onnx cannot convert {type(estimator).__name__}: name another estimator"
        ) from missing
    opsets = sorted(model.opset_import, key=lambda opset: str(opset.domain))  # they come as a set
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return bytes(model.SerializeToString())


def _comparing_in_float32(estimator: Any) -> Any:  # noqa: ANN401
    """The estimator, with each threshold of histogram boosting lowered to a float32.

    Its thresholds lie halfway between two values, in float64. The converter rounds them: up, if
    the values are neighbours in float32, and the upper one then goes the wrong way. No float32
    lies between a threshold and the float32 below it, so lowered it decides as before.
    """
    if not hasattr(_last(estimator), "_predictors"):
        return estimator
    lowered = copy.deepcopy(estimator)
    for tree in (tree for trees in _last(lowered)._predictors for tree in trees):
        exact = tree.nodes["num_threshold"]
        near = exact.astype(np.float32)
        below = np.nextafter(near, np.float32(-np.inf))
        tree.nodes["num_threshold"] = np.where(near > exact, below, near)
    return lowered


def _last(estimator: Any) -> Any:  # noqa: ANN401
    """The last step of a pipeline; an estimator by itself."""
    return getattr(estimator, "steps", [("", estimator)])[-1][1]


def open_session(onnx: bytes) -> InferenceSession:
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


def output_of(session: InferenceSession) -> str:
    """The output that holds the answers: probabilities of the classes, or the value of a regressor
    as its one column.
    """
    return next(str(o.name) for o in session.get_outputs() if o.name in _OUTPUTS)


def answer(session: InferenceSession, matrix: Matrix) -> Floats:
    """The model's float32 answers as float64, chunk by chunk: probabilities of the event, or
    values, (rows,); or of more than two classes the probability of each, (rows, classes).
    """
    output = output_of(session)
    chunks = (matrix[at : at + CHUNK] for at in range(0, max(len(matrix), 1), CHUNK))
    found = [told(session.run([output], {"inputs": chunk})[0]) for chunk in chunks]
    return np.concatenate(found).astype(np.float64)


def check_parity(
    kind: Kind, ours: Floats, theirs: Floats, threshold: Threshold, largest: float
) -> float:
    """How far apart two answers to the same rows are; BadModel if above `largest` or if one
    decision differs.
    """
    difference = kind.apart(ours, theirs)
    flipped = kind.flipped(ours, threshold, theirs, threshold)
    if not difference <= largest or flipped:  # a NaN is no parity either
        raise BadModel(
            f"the exported model differs from the fitted one by up to {difference:.2g} (allowed: "
            f"gate.parity {largest:.2g}) and flips {flipped} of {len(ours)} decisions"
        )
    return difference


def export_fitted(use_case: UseCase, fitted: Fitted, parts: Parts) -> Exported:
    """Export the chosen candidate and prove it on the validation and holdout rows.

    Its threshold, if there is one, moves by a hair, if need be, so that none of these rows' scores
    lies within the parity of it. No label is looked at here.
    """
    kind, largest = kind_of(use_case), use_case.gate.parity
    onnx = to_onnx(fitted.estimator, len(fitted.schema.inputs))
    held_back = (build_matrix(part, fitted.schema) for part in (parts.validation, parts.holdout))
    matrix = np.concatenate(list(held_back))
    theirs = fitted.value(matrix)
    threshold = kind.settled(fitted.threshold, theirs, largest)
    ours = answer(open_session(onnx), matrix)
    parity = check_parity(kind, ours, theirs, threshold, largest)
    return Exported(fitted, onnx, threshold, parity, measure_footprint(onnx, matrix[:CHUNK]))


def measure_footprint(onnx: bytes, matrix: Matrix) -> Footprint:
    """Size, speed and memory of a model on these rows; takes about a second."""
    session = open_session(onnx)
    output, calls = output_of(session), []
    for row in range(_CALLS):
        one = matrix[row % len(matrix)][None, :]
        started = perf_counter()
        session.run([output], {"inputs": one})
        calls.append(perf_counter() - started)
    started = perf_counter()
    answer(session, matrix)
    seconds = perf_counter() - started
    return Footprint(
        bytes=len(onnx),
        latency_p50_us=float(np.quantile(calls, 0.5) * 1e6),
        latency_p99_us=float(np.quantile(calls, 0.99) * 1e6),
        rows_per_second=len(matrix) / seconds,
        peak_memory_mib=_peak_memory(onnx, output, matrix),
    )


# VmHWM is this process' own peak; ru_maxrss would still count what its parent held when it forked.
_SCORE_ALONE = """
import resource, sys
from pathlib import Path
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
session.run([sys.argv[2]], {"inputs": numpy.load(sys.argv[3])})
status = Path("/proc/self/status")
if status.exists():
    print(next(line.split()[1] for line in status.open() if line.startswith("VmHWM")))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def _peak_memory(onnx: bytes, output: str, matrix: Matrix) -> float:
    """MiB at the peak of a fresh process that scores the matrix."""
    with tempfile.TemporaryDirectory() as folder:
        model, rows = Path(folder, "model.onnx"), Path(folder, "rows.npy")
        model.write_bytes(onnx)
        np.save(rows, matrix, allow_pickle=False)
        command = [sys.executable, "-c", _SCORE_ALONE, str(model), output, str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


@task(task_run_name="export {fitted.name}", cache_policy=NO_CACHE)
def export(use_case: UseCase, fitted: Fitted, parts: Parts) -> Exported:
    """As `export_fitted`, seen by Prefect."""
    exported = export_fitted(use_case, fitted, parts)
    told = (fitted.name, exported.parity, exported.footprint.bytes // 1024)
    get_run_logger().info("%s as ONNX: differs by at most %.1e, %s KiB", *told)
    return exported
