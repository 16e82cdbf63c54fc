"""What the holdout says of one model: its metrics, how sure they are, and what it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import (
    MIN_BLOCKS,
    Predictions,
    block_mean,
    block_metric,
    bootstrap_interval,
    calibration_gaps,
    draw_blocks,
    pair_predictions,
)
from tasks.evaluation.metrics import Floats, calibration_table
from tasks.evaluation.problem_types import ProblemType, Threshold, problem_type_of
from tasks.evaluation.slices import iterate_slices, measure_by_slice
from tasks.models.matrix import InputSchema, build_matrix
from tasks.models.onnx_session import run_onnx
from tasks.models.shapley import shapley_values
from tasks.training.fit import LabelArray, TrainingSplit, label_array

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


IMPORTANCE_ORDERS = 16  # of the inputs, for each row whose contributions are averaged
_EVALUATIONS = 120_000  # of the model, for its importances: a third of a second of boosting
_BACKGROUND = 64


def measure_holdout(
    use_case: UseCase, rows: pl.DataFrame, value: Floats, threshold: Threshold
) -> dict[str, Any]:
    """The card's holdout, intervals, slices, thin and calibration of labelled `rows`."""
    kind, rule = problem_type_of(use_case), use_case.evaluation
    truth = label_array(use_case, rows)

    def of(mask: NDArray[np.bool_]) -> dict[str, float]:
        return kind.evaluate(truth[mask], value[mask], threshold, rule.cost)

    return {
        "holdout": kind.evaluate(truth, value, threshold, rule.cost),
        "intervals": holdout_intervals(use_case, rows, value, threshold),
        "slices": tuple(measure_by_slice(rows, of, rule.slices, rule.slice_min_rows)),
        "thin": tuple(find_thin_slices(use_case, rows)),
        "calibration": tuple(_calibration(kind, truth, value, threshold).to_dicts()),
    }


def holdout_intervals(
    use_case: UseCase, rows: pl.DataFrame, value: Floats, threshold: Threshold
) -> dict[str, tuple[float, float]]:
    """The interval of each metric that has one, at gate.confidence, by resampling gate.block.

    Empty of fewer blocks than an interval can be had from.
    """
    gate, cost, kind = use_case.gate, use_case.evaluation.cost, problem_type_of(use_case)
    answers = Predictions(value, kind.decide(value, threshold))
    alone = pair_predictions(use_case, rows, answers, answers)
    if alone.blocks < MIN_BLOCKS:
        return {}
    draws = draw_blocks(alone.drawn, gate.resamples, use_case.seed)
    measures = {
        name: block_mean(alone, calibration_gaps(alone, answers))
        if name == "calibration_gap"
        else block_metric(name, alone, answers, cost)
        for name in kind.interval_metrics
    }
    error = 1 - gate.confidence
    return {
        name: bootstrap_interval(of(draws), alone.blocks, error) for name, of in measures.items()
    }


def _calibration(
    kind: ProblemType, truth: LabelArray, value: Floats, threshold: Threshold
) -> pl.DataFrame:
    decision = kind.decide(value, threshold)
    observed = kind.observed_outcome(truth.astype(np.float64), decision)
    return calibration_table(observed, kind.predicted_outcome(value, decision))


def find_thin_slices(use_case: UseCase, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Slices that have rows, but fewer than evaluation.slice_min_rows: slice, value, rows."""
    rule = use_case.evaluation
    return [
        {"slice": column, "value": value, "rows": int(mask.sum())}
        for column, value, mask in iterate_slices(rows, rule.slices, 1)
        if mask.sum() < rule.slice_min_rows
    ]


def measure_importance(
    kind: ProblemType,
    threshold: Threshold,
    session: InferenceSession,
    schema: InputSchema,
    parts: TrainingSplit,
    seed: int,
) -> dict[str, float]:
    """Mean |contribution| of each input to the answer (of classes: to the probability of the one
    that is decided on), largest first.

    Over holdout rows spread in time, as many as a fixed number of the model's answers pays for,
    against rows spread over what it was fitted and selected on.
    """
    wanted = max(16, _EVALUATIONS // (IMPORTANCE_ORDERS * max(1, len(schema.inputs) - 1)))
    rows = build_matrix(_spread(parts.holdout, wanted), schema)
    background = build_matrix(_spread(parts.seen, _BACKGROUND), schema)
    place = kind.find_decision_columns(kind.decide(run_onnx(session, rows), threshold))
    found = np.abs(shapley_values(session, rows, background, IMPORTANCE_ORDERS, seed, place)).mean(
        axis=0
    )
    order = np.argsort(-found, kind="stable")
    return {schema.inputs[place]: float(found[place]) for place in order}


def _spread(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    return rows[np.unique(np.linspace(0, rows.height - 1, count).astype(int))]
