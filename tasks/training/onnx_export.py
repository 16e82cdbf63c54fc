"""ONNX export of a fitted candidate, with proof that both predict the same."""

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
    """A candidate as ONNX bytes, proved equal to the estimator on validation and holdout rows.

    `parity` is the largest difference between the two.
    """

    fitted: FittedCandidate
    onnx: bytes
    threshold: Threshold
    parity: float
    footprint: Footprint


def convert_to_onnx(estimator: Any, inputs: int) -> bytes:  # noqa: ANN401
    """Return the ONNX file of a fitted estimator.

    Its input is float32 `inputs` (rows, inputs). A classifier returns label and `probabilities`
    (rows, classes), a regressor `variable` (rows, 1).

    Raises:
        BadModel: sklearn-onnx has no converter for the estimator.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
    from sklearn.base import is_classifier

    estimator = _lower_thresholds(estimator)
    initial_types = [("inputs", FloatTensorType([None, inputs]))]
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    name = type(estimator).__name__  # without one it is random, and so is the file's digest
    try:
        model = convert_sklearn(estimator, name, initial_types=initial_types, options=options)
    except (MissingConverter, MissingShapeCalculator) as missing:
        raise BadModel(
            f"sklearn-onnx cannot convert {type(estimator).__name__}. Name another estimator"
        ) from missing
    # the converter fills a set, whose order varies; sorted, the digest of the file is stable
    opsets = sorted(model.opset_import, key=lambda opset: str(opset.domain))
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return bytes(model.SerializeToString())


def _lower_thresholds(estimator: Any) -> Any:  # noqa: ANN401
    """Return the estimator with each threshold of histogram boosting lowered to a float32.

    The thresholds lie halfway between two values, in float64. The converter rounds to the nearest
    float32. If the values are neighbours in float32, it may round up to the larger one, which then
    takes the wrong branch. No float32 lies between a threshold and the float32 below it, so the
    lowered threshold decides as before.
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
    """Return the last step of a pipeline, or the estimator itself."""
    return getattr(estimator, "steps", [("", estimator)])[-1][1]


def check_parity(
    problem_type: ProblemType, ours: Floats, theirs: Floats, threshold: Threshold, largest: float
) -> float:
    """Return the largest difference between two predictions of the same rows.

    Args:
        problem_type: the problem type.
        ours: predictions of the ONNX file, (rows,) or (rows, classes).
        theirs: predictions of the estimator, same shape.
        threshold: the decision threshold, if the problem type has one.
        largest: the largest allowed difference, `gate.parity`.

    Raises:
        BadModel: the difference is above `largest`, or a decision differs.
    """
    difference = problem_type.max_difference(ours, theirs)
    flipped = problem_type.count_flipped_decisions(ours, threshold, theirs, threshold)
    if not difference <= largest or flipped:  # a NaN is no parity either
        raise BadModel(
            f"the exported model differs from the fitted one by up to {difference:.2g} "
            f"(`gate.parity` allows {largest:.2g}) and flips {flipped} of {len(ours)} "
            "decisions. Raise `gate.parity` or name another estimator"
        )
    return difference


def export_candidate(
    use_case: UseCase, fitted: FittedCandidate, parts: TrainingSplit
) -> ExportedModel:
    """Export the chosen candidate; prove parity on the validation and holdout rows.

    A threshold closer than `gate.parity` to a row's score is moved away from it, so that rounding
    cannot flip the decision. Labels are not used.
    """
    problem_type, largest = problem_type_of(use_case), use_case.gate.parity
    onnx = convert_to_onnx(fitted.estimator, len(fitted.schema.inputs))
    held_back = (build_matrix(part, fitted.schema) for part in (parts.validation, parts.holdout))
    matrix = np.concatenate(list(held_back))
    theirs = fitted.predict(matrix)
    threshold = problem_type.move_threshold_clear(fitted.threshold, theirs, largest)
    ours = run_onnx(open_onnx_session(onnx), matrix)
    parity = check_parity(problem_type, ours, theirs, threshold, largest)
    return ExportedModel(
        fitted, onnx, threshold, parity, measure_footprint(onnx, matrix[:ONNX_BATCH_ROWS])
    )
