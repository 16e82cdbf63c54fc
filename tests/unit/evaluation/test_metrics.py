"""Metrics against scikit-learn's, the threshold against trying every one."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics

from configs.schema.costs import Cost
from configs.schema.training import Slice
from tasks.evaluation.metrics import calibration_table, is_better, mean_cost, measure_binary_metrics
from tasks.evaluation.slices import measure_by_slice, slice_values
from tasks.evaluation.thresholds import (
    best_threshold,
    expected_threshold,
    move_clear_of_scores,
    proven_threshold,
)

COST = Cost(false_positive=1, false_negative=3, true_positive=0.5, true_negative=0.1)


def rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probability = np.round(random.random(n), 2)
    return (random.random(n) < probability).astype(np.int8), probability


def test_metrics_equal_scikit_learns():
    y, p = rows(700)
    found = measure_binary_metrics(y, p, 0.4, COST)
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, p))
    assert found["pr_auc"] == pytest.approx(metrics.average_precision_score(y, p))
    assert found["precision"] == pytest.approx(metrics.precision_score(y, p >= 0.4))
    assert found["recall"] == pytest.approx(metrics.recall_score(y, p >= 0.4))
    assert found["f1"] == pytest.approx(metrics.f1_score(y, p >= 0.4))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(y, p))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, p))
    assert found["calibration_gap"] == pytest.approx(p.mean() - y.mean())
    assert found["rows"] == 700


def test_cost_counts_each_of_the_four_cases():
    assert mean_cost([1, 1, 0, 0], [0.9, 0.1, 0.9, 0.1], 0.5, COST) == pytest.approx(4.6 / 4)


def test_one_class_only_has_no_ranking():
    found = measure_binary_metrics([0, 0, 0], [0.1, 0.2, 0.9], 0.5, COST)
    assert np.isnan(found["roc_auc"])
    assert np.isnan(found["pr_auc"])
    assert found["positive_rate"] == 0


scored = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])),
    min_size=1,
    max_size=25,
)
weights = st.integers(0, 5).map(float)


@given(scored, weights, weights, weights, weights)
def test_no_threshold_is_cheaper_than_the_best(pairs, fp, fn, tp, tn):
    y, p = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    cost = Cost(false_positive=fp, false_negative=fn, true_positive=tp, true_negative=tn)
    best = mean_cost(y, p, best_threshold(y, p, cost), cost)
    tried = [mean_cost(y, p, t, cost) for t in [*np.unique(p), 2.0]]
    assert best == pytest.approx(min(tried))


@given(st.floats(0, 1), weights, weights, weights, weights)
def test_the_expected_threshold_flags_where_flagging_is_cheaper(chance, fp, fn, tp, tn):
    cost = Cost(false_positive=fp, false_negative=fn, true_positive=tp, true_negative=tn)
    flag, leave = chance * tp + (1 - chance) * fp, chance * fn + (1 - chance) * tn
    assume(fn > tp)
    assume(abs(flag - leave) > 1e-9)
    assert (chance >= expected_threshold(cost)) == (flag < leave)


def test_a_threshold_of_one_odd_half_is_not_kept():
    """Scores are true chances, but in the first half the event came more often."""
    random = np.random.default_rng(0)
    p = random.random(2000)
    odd = np.r_[np.full(1000, 0.3), np.full(1000, -0.1)]
    y = (random.random(2000) < p + odd).astype(int)
    plain = Cost(false_positive=1, false_negative=3)
    assert proven_threshold(y, p, plain) == expected_threshold(plain) == 0.25


def test_a_threshold_that_proves_itself_is_kept():
    """Scores that are half the true chance want half the threshold."""
    random = np.random.default_rng(0)
    p = random.random(4000) / 2
    y = (random.random(4000) < 2 * p).astype(int)
    plain = Cost(false_positive=1, false_negative=3)
    assert proven_threshold(y, p, plain) == best_threshold(y, p, plain)
    assert 0.08 < proven_threshold(y, p, plain) < 0.17


@settings(max_examples=50)
@given(st.floats(0, 1), st.integers(0, 5))
def test_a_clear_threshold_is_near_and_keeps_its_distance(threshold, seed):
    p = np.random.default_rng(seed).random(400)
    moved = move_clear_of_scores(threshold, p, 1e-4)
    assert np.abs(p - moved).min() >= 1e-4
    assert abs(moved - threshold) < 0.05


def test_a_threshold_that_is_clear_already_stays():
    assert move_clear_of_scores(0.5, [0.1, 0.9], 1e-6) == 0.5


def test_calibration_bins_hold_all_rows_and_ece_is_their_weighted_gap():
    y, p = rows(1003)
    table = calibration_table(y, p)
    assert table.height == 10
    assert table["rows"].sum() == 1003
    assert table["low"].is_sorted()
    by_hand = sum(abs(r["predicted"] - r["observed"]) * r["rows"] for r in table.to_dicts()) / 1003
    assert measure_binary_metrics(y, p, 0.5, COST)["ece"] == pytest.approx(by_hand)
    assert calibration_table(y[:3], p[:3]).height == 3


def test_slices_want_enough_rows_and_count_missing_values():
    y, p = rows(100)
    frame = pl.DataFrame({"origin": ["JFK"] * 60 + [None] * 35 + ["LGA"] * 5})
    measured = lambda mask: measure_binary_metrics(y[mask], p[mask], 0.5, COST)  # noqa: E731
    found = measure_by_slice(frame, measured, [Slice(column="origin")], min_rows=10)
    assert [(s["value"], s["rows"]) for s in found] == [("JFK", 60), ("(missing)", 35)]
    assert found[0]["cost"] == pytest.approx(mean_cost(y[:60], p[:60], 0.5, COST))


def test_numbers_are_sliced_by_bins_that_hold_their_upper_edge():
    frame = pl.DataFrame({"hour": [-3.0, 9, 9.5, 14, 18.01, None, float("nan")]})
    found = slice_values(frame, Slice(column="hour", bins=(9, 14, 18))).to_list()
    assert found == [
        "(-inf, 9]", "(-inf, 9]", "(9, 14]", "(9, 14]", "(18, inf]", "(missing)", "(missing)",
    ]  # fmt: skip


def test_better_follows_the_metrics_direction():
    assert is_better("roc_auc", 0.7, 0.6)
    assert is_better("cost", 0.6, 0.7)
    assert not is_better("brier", 0.2, 0.2)
