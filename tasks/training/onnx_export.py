"""ONNX export of a fitted candidate, with proof that both predict the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from configs.errors import BadModel
from configs.schema.use_case import UseCase
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import ProblemType, Threshold, problem_type_of
from tasks.models.footprint import Footprint, measure_footprint
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import ONNX_BATCH_ROWS, open_onnx_session, run_onnx
from tasks.training.fit import FittedCandidate, TrainingSplit
from tasks.training.learners.onnx_conversion import convert_to_onnx


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
