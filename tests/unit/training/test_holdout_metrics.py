"""The card: intervals, importance and limits that its own numbers bear, and old cards open."""

from datetime import timedelta

import numpy as np

from tasks.evaluation.problem_types import problem_type_of
from tasks.models.matrix import build_matrix
from tasks.models.onnx_session import open_onnx_session, run_onnx
from tasks.training import holdout_metrics
from tests.support.flights import END


def test_holdout_intervals_hold_the_metric(
    holdout_case, holdout_split, holdout_card, holdout_model
):
    assert set(holdout_card.intervals) == set(problem_type_of(holdout_case).interval_metrics)
    for name, (low, high) in holdout_card.intervals.items():
        assert low < holdout_card.holdout[name] < high
    gate = holdout_case.gate.model_copy(update={"confidence": 0.5})
    session = open_onnx_session(holdout_model.onnx)
    scores = run_onnx(session, build_matrix(holdout_split.holdout, holdout_card.inputs))
    bold = holdout_case.model_copy(update={"gate": gate})
    for name, (low, high) in holdout_metrics.measure_intervals(
        bold, holdout_split.holdout, scores, holdout_card.threshold
    ).items():
        assert high - low < 0.7 * np.ptp(holdout_card.intervals[name])


def test_few_days_give_no_interval(holdout_case, holdout_split):
    rows = holdout_split.holdout.filter(
        holdout_split.holdout["prediction_time"] >= END - timedelta(days=3)
    )
    assert (
        holdout_metrics.measure_intervals(holdout_case, rows, np.full(rows.height, 0.3), 0.5) == {}
    )


def test_importance_is_of_every_input_largest_first(holdout_card):
    assert set(holdout_card.importance) == set(holdout_card.inputs.inputs)
    sizes = list(holdout_card.importance.values())
    assert sizes == sorted(sizes, reverse=True)
    assert 0.01 < sizes[0] < 0.5
