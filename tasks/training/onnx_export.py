"""ONNX: the exported file, proof that it answers like the estimator, and what it costs to run."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from configs.errors import BadModel
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import ProblemType, Threshold, problem_type_of
from tasks.models.footprint import Footprint, measure_footprint
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import ONNX_BATCH_ROWS, open_onnx_session, run_onnx
from tasks.training.fit import FittedCandidate, TrainingSplit


@dataclass(frozen=True)
class ExportedModel:
    """A candidate as ONNX bytes that were proved equal to the estimator on the rows held back."""

    fitted: FittedCandidate
    onnx: bytes
    threshold: Threshold
    parity: float
    footprint: Footprint


def convert_to_onnx(estimator: Any, inputs: int) -> bytes:  # noqa: ANN401
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


def check_parity(
    kind: ProblemType, ours: Floats, theirs: Floats, threshold: Threshold, largest: float
) -> float:
    """How far apart two answers to the same rows are; BadModel if above `largest` or if one
    decision differs.
    """
    difference = kind.max_difference(ours, theirs)
    flipped = kind.count_flipped_decisions(ours, threshold, theirs, threshold)
    if not difference <= largest or flipped:  # a NaN is no parity either
        raise BadModel(
            f"the exported model differs from the fitted one by up to {difference:.2g} (allowed: "
            f"gate.parity {largest:.2g}) and flips {flipped} of {len(ours)} decisions"
        )
    return difference


def export_candidate(
    use_case: UseCase, fitted: FittedCandidate, parts: TrainingSplit
) -> ExportedModel:
    """Export the chosen candidate and prove it on the validation and holdout rows.

    Its threshold, if there is one, moves by a hair, if need be, so that none of these rows' scores
    lies within the parity of it. No label is looked at here.
    """
    kind, largest = problem_type_of(use_case), use_case.gate.parity
    onnx = convert_to_onnx(fitted.estimator, len(fitted.schema.inputs))
    held_back = (build_matrix(part, fitted.schema) for part in (parts.validation, parts.holdout))
    matrix = np.concatenate(list(held_back))
    theirs = fitted.value(matrix)
    threshold = kind.move_threshold_clear(fitted.threshold, theirs, largest)
    ours = run_onnx(open_onnx_session(onnx), matrix)
    parity = check_parity(kind, ours, theirs, threshold, largest)
    return ExportedModel(
        fitted, onnx, threshold, parity, measure_footprint(onnx, matrix[:ONNX_BATCH_ROWS])
    )
