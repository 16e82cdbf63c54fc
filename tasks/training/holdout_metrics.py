"""Holdout metrics of one model: metrics, confidence intervals, slices, input importance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import measure_intervals
from tasks.evaluation.metrics import Floats, calibration_table
from tasks.evaluation.problem_types import ProblemType, Threshold, problem_type_of
from tasks.evaluation.slices import iterate_slices, measure_by_slice
from tasks.models.matrix import InputSchema, build_matrix
from tasks.models.onnx_session import run_onnx
from tasks.models.shapley import shapley_values
from tasks.training.fit import LabelArray, TrainingSplit, read_labels

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


IMPORTANCE_ORDERS = 16  # sampled orders of the inputs for each row
_MAX_EVALUATIONS = 120_000  # of the model: a third of a second with histogram boosting
_MIN_IMPORTANCE_ROWS = 16  # even if more inputs than usual exceed _MAX_EVALUATIONS
_BACKGROUND_ROWS = 64  # rows that stand for "this input is unknown"


def measure_holdout(
    use_case: UseCase, rows: pl.DataFrame, value: Floats, threshold: Threshold
) -> dict[str, Any]:
    """Return the card's fields holdout, intervals, slices, thin and calibration.

    Args:
        use_case: problem type, costs and slices.
        rows: labelled holdout rows.
        value: predictions (rows,) or (rows, classes).
        threshold: the decision threshold, if the problem type has one.
    """
    problem_type, rule = problem_type_of(use_case), use_case.evaluation
    labels, fewest = read_labels(use_case, rows), rule.count_slice_rows(rows.height)

    def measure_rows(mask: NDArray[np.bool_]) -> dict[str, float]:
        return problem_type.evaluate(labels[mask], value[mask], threshold, rule.cost)

    return {
        "holdout": problem_type.evaluate(labels, value, threshold, rule.cost),
        "intervals": measure_intervals(use_case, rows, value, threshold),
        "slices": tuple(measure_by_slice(rows, measure_rows, rule.slices, fewest)),
        "thin": tuple(find_thin_slices(use_case, rows)),
        "calibration": tuple(_calibration(problem_type, labels, value, threshold).to_dicts()),
    }


def _calibration(
    problem_type: ProblemType, labels: LabelArray, value: Floats, threshold: Threshold
) -> pl.DataFrame:
    decision = problem_type.decide(value, threshold)
    observed = problem_type.observed_outcome(labels.astype(np.float64), decision)
    return calibration_table(observed, problem_type.predicted_outcome(value, decision))


def find_thin_slices(use_case: UseCase, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the slices with fewer than `evaluation.slice_min_rows` rows: slice, value, rows."""
    rule = use_case.evaluation
    fewest = rule.count_slice_rows(rows.height)
    return [
        {"slice": column, "value": value, "rows": int(mask.sum())}
        for column, value, mask in iterate_slices(rows, rule.slices, 1)
        if mask.sum() < fewest
    ]


def measure_importance(
    problem_type: ProblemType,
    threshold: Threshold,
    session: InferenceSession,
    schema: InputSchema,
    parts: TrainingSplit,
    seed: int,
) -> dict[str, float]:
    """Return the mean |contribution| of each input to the prediction, largest first.

    The prediction of a multiclass model is the probability of the decided class. Holdout rows
    spread in time are explained, as many as _MAX_EVALUATIONS allows.

    Args:
        problem_type: the problem type.
        threshold: the decision threshold, if the problem type has one.
        session: the exported model.
        schema: the columns of the matrix.
        parts: holdout rows to explain; background rows come from the train and validation span.
        seed: seed of the sampled input orders.
    """
    evaluations_per_row = IMPORTANCE_ORDERS * max(1, len(schema.inputs) - 1)
    count = max(_MIN_IMPORTANCE_ROWS, _MAX_EVALUATIONS // evaluations_per_row)
    rows = build_matrix(_spread(parts.holdout, count), schema)
    background = build_matrix(_spread(parts.seen, _BACKGROUND_ROWS), schema)
    place = problem_type.find_decision_columns(
        problem_type.decide(run_onnx(session, rows), threshold)
    )
    contributions = shapley_values(session, rows, background, IMPORTANCE_ORDERS, seed, place)
    importance = np.abs(contributions).mean(axis=0)
    order = np.argsort(-importance, kind="stable")
    return {schema.inputs[position]: float(importance[position]) for position in order}


def _spread(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return at most `count` rows, spread evenly."""
    return rows[np.unique(np.linspace(0, rows.height - 1, count).astype(int))]
