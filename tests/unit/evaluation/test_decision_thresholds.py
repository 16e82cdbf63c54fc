"""Decision thresholds against trying every one."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from configs.schema.costs import Cost
from tasks.evaluation.decision_thresholds import (
    best_threshold,
    expected_threshold,
    move_clear_of_scores,
    proven_threshold,
)
from tasks.evaluation.metrics import mean_cost

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
