"""The gate: its metrics against scikit-learn, its intervals, and what it must never do."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from configs.errors import Conflict
from configs.policy import Cost, Gate
from configs.use_case import load_use_case
from tasks.ledger import Ledger
from tasks.promotion import Decision, Scored, _measure, judge, paired_difference, record_decision

COST = Cost(false_positive=1, false_negative=3)
NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)


def rows(n: int, seed: int = 0) -> tuple[np.ndarray, pl.Series, np.ndarray]:
    """Labels, times over 20 days, and scores that know something."""
    random = np.random.default_rng(seed)
    score = np.round(random.random(n), 2)  # two digits: many ties
    labels = (random.random(n) < 0.1 + 0.6 * score).astype(float)
    times = pl.Series([NOON + timedelta(days=int(d)) for d in random.integers(0, 20, n)])
    return labels, times, score


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("roc_auc", roc_auc_score),
        ("pr_auc", average_precision_score),
        ("brier", brier_score_loss),
        ("log_loss", log_loss),
    ],
)
def test_weighted_metrics_equal_scikit_learn(metric, reference):
    labels, _, score = rows(500)
    score = np.clip(score, 0.01, 0.99)
    weights = np.random.default_rng(1).integers(0, 4, (3, 500)).astype(float)
    ours = _measure(metric, COST, labels, Scored(score, 0.5))(weights)
    theirs = [reference(labels, score, sample_weight=w) for w in weights]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_cost_counts_each_kind_of_mistake():
    labels = np.array([1.0, 1, 0, 0])
    scored = Scored(np.array([0.9, 0.1, 0.9, 0.1]), 0.5)
    assert _measure("cost", COST, labels, scored)(np.ones((1, 4)))[0] == pytest.approx((3 + 1) / 4)


def test_a_model_against_itself_differs_by_nothing_and_is_refused():
    labels, times, score = rows(2000)
    same = Scored(score, 0.5)
    decision = judge(Gate(), COST, labels, times, same, same, seed=0)
    assert not decision.promote
    assert decision.evidence["roc_auc"]["low"] == decision.evidence["roc_auc"]["high"] == 0
    assert decision.evidence["blocks"] == 20


def test_a_clearly_better_challenger_is_promoted_and_a_clearly_worse_one_refused():
    labels, times, score = rows(4000)
    noise = np.random.default_rng(2).random(4000)
    good, poor = Scored(score, 0.5), Scored(0.4 * score + 0.6 * noise, 0.5)
    assert judge(Gate(), COST, labels, times, good, poor, 0).promote
    assert not judge(Gate(), COST, labels, times, poor, good, 0).promote


def test_a_better_ranking_that_costs_more_is_refused():
    """The same scores rank better, but a threshold that flags everything makes them dear."""
    labels, times, score = rows(4000)
    noise = np.random.default_rng(2).random(4000)
    dear, poor = Scored(score, 0.0), Scored(0.4 * score + 0.6 * noise, 0.5)
    decision = judge(Gate(), Cost(false_positive=9, false_negative=1), labels, times, dear, poor, 0)
    assert decision.evidence["roc_auc"]["low"] > 0
    assert not decision.promote
    assert "but it costs more" in decision.reason


def test_too_few_rows_are_no_evidence():
    labels, times, score = rows(300)
    decision = judge(
        Gate(min_rows=1000), COST, labels, times, Scored(score, 0.5), Scored(score * 0, 0.5), 0
    )
    assert not decision.promote
    assert "only 300 fresh labelled rows" in decision.reason


def test_rows_of_one_day_are_not_independent():
    """The same rows twice within their days add no evidence; as new days they would."""
    labels, times, score = rows(1000)
    noise = np.random.default_rng(3).random(1000)
    args = (COST, labels, times, Scored(score, 0.5), Scored(0.6 * score + 0.4 * noise, 0.5), 0)
    twice = (
        COST, np.tile(labels, 2), pl.concat([times, times]),
        Scored(np.tile(score, 2), 0.5), Scored(np.tile(0.6 * score + 0.4 * noise, 2), 0.5), 0,
    )  # fmt: skip
    gate = Gate(min_rows=1)
    first, second = (judge(gate, *a).evidence["roc_auc"] for a in (args, twice))
    assert second["high"] - second["low"] == pytest.approx(first["high"] - first["low"], rel=1e-6)


@given(margin=st.floats(0.0, 0.2), shift=st.floats(0.0, 1.0))
def test_non_inferiority_accepts_no_less_than_superiority(margin, shift):
    labels, times, score = rows(600)
    noise = np.random.default_rng(4).random(600)
    new, old = Scored((1 - shift) * score + shift * noise, 0.5), Scored(score, 0.5)
    strict = judge(Gate(min_rows=1, resamples=100), COST, labels, times, new, old, 0)
    loose = judge(
        Gate(min_rows=1, resamples=100, rule="non_inferiority", margin=margin),
        COST, labels, times, new, old, 0,
    )  # fmt: skip
    assert loose.promote or not strict.promote


def test_lower_is_better_metrics_count_improvement_upwards():
    labels, times, score = rows(1000)
    from tasks.promotion import block_of

    gate = Gate(min_rows=1)
    calibrated, off = Scored(0.1 + 0.6 * score, 0.5), Scored(np.full(1000, 0.99), 0.5)
    found = paired_difference(
        "brier", COST, labels, block_of(times, gate), calibrated, off, gate, 0
    )
    assert found.improvement > 0
    assert found.low > 0


def test_a_decision_is_written_once_and_only_on_what_was_seen(tmp_path):
    book, use_case = Ledger(f"sqlite:///{tmp_path / 'l.db'}"), load_use_case("flights")
    yes = Decision(True, "better", {"rows": 1})
    first = record_decision(book, use_case, 1, yes, NOON, 0, "gate")
    again = record_decision(book, use_case, 1, Decision(False, "other", {}), NOON, 7, "gate")
    assert first == again
    assert again.what == "promoted"
    with pytest.raises(Conflict, match="expected seq 0, found 1"):
        record_decision(book, use_case, 2, yes, NOON, 0, "gate")
