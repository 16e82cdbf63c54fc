"""The comparison: its metrics against scikit-learn, its intervals against DeLong's."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from configs.schema.costs import Cost
from configs.schema.loading import load_use_case
from configs.schema.promotion import Gate
from configs.schema.training import Evaluation, Slice
from configs.schema.use_case import UseCase
from tasks.evaluation.blocks import assign_blocks, draw_blocks
from tasks.evaluation.bootstrap import (
    Difference,
    PairedPredictions,
    block_metric,
    compare_models,
)
from tasks.evaluation.problem_types import PROBLEM_TYPES
from tests.support.decisions import predict_at

EVENT = PROBLEM_TYPES["binary"]()
COST = Cost(false_positive=1, false_negative=3)
NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)


def gate_case(slices: tuple[Slice, ...] = (), **gate: object) -> UseCase:
    evaluation = Evaluation(cost=COST, slices=slices, slice_min_rows=100)
    changes = {"gate": Gate(min_rows=1, resamples=2000, **gate), "evaluation": evaluation}
    return load_use_case("flights").model_copy(update=changes)


def tied_scores(n: int, seed: int = 0, days: int = 20) -> tuple[pl.DataFrame, np.ndarray]:
    """Labels and times over so many days, and scores that know something of the label."""
    random = np.random.default_rng(seed)
    score = np.round(random.random(n), 2)  # two digits: many ties
    late = (random.random(n) < 0.1 + 0.6 * score).astype(np.int8)
    times = [NOON + timedelta(days=int(d)) for d in random.integers(0, days, n)]
    return pl.DataFrame({"late": late, "prediction_time": times}), score


def noisy(score: np.ndarray, share: float, seed: int = 9) -> np.ndarray:
    return (1 - share) * score + share * np.random.default_rng(seed).random(len(score))


def overall(found: list[Difference], subject: str) -> Difference:
    return next(of for of in found if of.subject == subject)


@pytest.mark.parametrize(
    ("subject", "reference"),
    [
        ("roc_auc", roc_auc_score),
        ("pr_auc", average_precision_score),
        ("brier", brier_score_loss),
        ("log_loss", log_loss),
    ],
)
def test_block_metrics_equal_scikit_learn_on_repeated_rows(subject, reference):
    rows, score = tied_scores(500)
    label, score = rows["late"].to_numpy().astype(float), np.clip(score, 0.01, 0.99)
    block = assign_blocks(rows["prediction_time"], Gate(), 0)
    pair = PairedPredictions(label, block, 20, predict_at(score), predict_at(score), EVENT)
    draws = draw_blocks(20, 5, seed=1)
    ours = block_metric(subject, pair, pair.challenger, COST)(draws)
    theirs = [reference(label, score, sample_weight=draw[block]) for draw in draws]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_bootstrap_of_a_slice_draws_all_blocks():
    rows, score = tied_scores(500)
    label, block = (
        rows["late"].to_numpy().astype(float),
        assign_blocks(rows["prediction_time"], Gate(), 0),
    )
    inside = block < 7
    pair = PairedPredictions(
        label, block, 20, predict_at(score), predict_at(score), EVENT
    ).select_rows(inside)
    draws = draw_blocks(20, 5, seed=1)
    ours = block_metric("roc_auc", pair, pair.challenger, COST)(draws)
    weights = [draw[block[inside]] for draw in draws]
    theirs = [roc_auc_score(label[inside], score[inside], sample_weight=w) for w in weights]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert pair.blocks == 7


def test_cost_and_calibration_by_hand():
    label, block = np.array([1.0, 1, 0, 0]), np.array([0, 0, 0, 0])
    new = predict_at(np.array([0.9, 0.1, 0.9, 0.1]))
    pair = PairedPredictions(label, block, 1, new, new, EVENT)
    once = np.ones((1, 1))
    assert block_metric("cost", pair, new, COST)(once)[0] == pytest.approx((3 + 1) / 4)
    sure = predict_at(np.array([0.9, 0.9, 0.9, 0.1]))
    assert block_metric("calibration", pair, sure, COST)(once)[0] == pytest.approx(0.2)


def delong(label: np.ndarray, new: np.ndarray, old: np.ndarray) -> tuple[float, float]:
    """95% interval of the difference of two correlated AUCs: DeLong, DeLong & Clarke-Pearson,
    "Comparing the areas under two or more correlated ROC curves", Biometrics 1988.
    """
    events, nones = label == 1, label == 0

    def placements(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wins = np.sign(score[events][:, None] - score[nones][None, :]) / 2 + 0.5
        return wins.mean(axis=1), wins.mean(axis=0)

    (event_new, none_new), (event_old, none_old) = placements(new), placements(old)
    by_event, by_none = event_new - event_old, none_new - none_old
    variance = by_event.var(ddof=1) / events.sum() + by_none.var(ddof=1) / nones.sum()
    return by_event.mean() - 1.96 * variance**0.5, by_event.mean() + 1.96 * variance**0.5


@pytest.mark.parametrize("seed", range(4))
def test_on_independent_rows_the_interval_is_delongs(seed):
    rows, score = tied_scores(3000, seed)
    new, old = noisy(score, 0.2, seed), noisy(score, 0.35, seed + 50)
    found = compare_models(gate_case(block=None), rows, predict_at(new), predict_at(old))[0]
    low, high = delong(rows["late"].to_numpy(), new, old)
    assert found.blocks == 100
    assert found.high - found.low == pytest.approx(high - low, rel=0.2)
    assert (found.low + found.high) / 2 == pytest.approx((low + high) / 2, abs=0.1 * (high - low))


def test_bootstrap_of_independent_rows_is_narrower_than_of_days():
    """The same rows twice within their days add no evidence; dealt at random they would."""
    rows, score = tied_scores(1000)
    one = compare_models(gate_case(), rows, predict_at(score), predict_at(noisy(score, 0.4)))[0]
    twice = [np.tile(p, 2) for p in (score, noisy(score, 0.4))]
    two = compare_models(
        gate_case(), pl.concat([rows, rows]), predict_at(twice[0]), predict_at(twice[1])
    )[0]
    assert two.high - two.low == pytest.approx(one.high - one.low, rel=1e-6)


def test_a_model_against_itself_differs_by_nothing():
    rows, score = tied_scores(2000)
    for found in compare_models(gate_case(), rows, predict_at(score), predict_at(score)):
        assert (found.improvement, found.low, found.high) == (0, 0, 0)
        assert (found.rows, found.blocks, found.confidence) == (2000, 20, 0.95)


@pytest.mark.parametrize("metric", ["brier", "log_loss", "cost"])
def test_of_what_should_be_low_a_lower_one_is_an_improvement(metric):
    rows, score = tied_scores(2000)
    good, off = predict_at(0.1 + 0.6 * score, 0.25), predict_at(np.full(2000, 0.99), 0.25)
    found = overall(compare_models(gate_case(metric=metric), rows, good, off), metric)
    assert found.challenger < found.champion
    assert 0 < found.low < found.improvement < found.high


def test_comparable_slices_are_large_and_share_the_error():
    rows, score = tied_scores(1200)
    hour = np.where(np.arange(1200) < 400, 9.0, np.where(np.arange(1200) < 1150, 9.5, 20.0))
    origin = ["JFK"] * 600 + ["LGA"] * 500 + [None] * 100
    rows = rows.with_columns(origin=pl.Series(origin), hour=pl.Series(hour))
    bins = Slice(column="hour", bins=(9, 14))
    case = gate_case((Slice(column="origin"), bins))
    found = [
        of for of in compare_models(case, rows, predict_at(score), predict_at(score)) if of.is_slice
    ]
    assert [(of.subject, of.rows) for of in found] == [
        ("origin=JFK", 600), ("origin=LGA", 500), ("origin=(missing)", 100),
        ("hour=(9, 14]", 750), ("hour=(-inf, 9]", 400),
    ]  # fmt: skip
    assert {of.confidence for of in found} == {1 - 0.05 / 5}


def test_a_slice_of_few_days_or_of_one_label_is_not_compared():
    rows, score = tied_scores(2000, days=20)
    day = pl.col("prediction_time") < NOON + timedelta(days=4)
    lucky = pl.when(pl.col("late") == 0, pl.int_range(pl.len()) % 2 == 0).then(pl.lit("never"))
    rows = rows.with_columns(
        week=pl.when(day).then(pl.lit("first")).otherwise(pl.lit("later")),
        luck=lucky.otherwise(pl.lit("mixed")),
    )
    case = gate_case((Slice(column="week"), Slice(column="luck")))
    found = compare_models(case, rows, predict_at(score), predict_at(score))
    assert [of.subject for of in found if of.is_slice] == ["week=later", "luck=mixed"]


def test_looks_share_the_error_too():
    rows, score = tied_scores(2000)
    pair = (rows, predict_at(score), predict_at(noisy(score, 0.3)))
    once, often = (compare_models(gate_case(), *pair, share=1 / looks)[0] for looks in (1, 10))
    assert often.confidence == pytest.approx(0.995)
    assert often.low < once.low < once.high < often.high


def test_the_draws_are_fixed_by_the_seed():
    rows, score = tied_scores(1000)
    pair = (rows, predict_at(score), predict_at(noisy(score, 0.3)))
    assert compare_models(gate_case(), *pair) == compare_models(gate_case(), *pair)
    other = gate_case().model_copy(update={"seed": 1})
    assert compare_models(other, *pair)[0].low != compare_models(gate_case(), *pair)[0].low
