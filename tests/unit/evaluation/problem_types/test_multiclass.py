"""Classes as labels: their metrics, their prices, and what is decided."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from configs.schema.costs import ClassCost
from configs.schema.promotion import Gate
from tasks.evaluation.blocks import assign_blocks, draw_blocks
from tasks.evaluation.bootstrap import (
    PairedPredictions,
    Predictions,
    block_metric,
    compare_models,
)
from tasks.evaluation.metrics import calibration_table
from tasks.evaluation.problem_types import problem_type_of
from tasks.evaluation.problem_types.multiclass import Multiclass
from tests.support.class_predictions import COST, KIND, PRICES, THRESHOLD, draw_classes
from tests.support.punctuality import CLASSES, classes_use_case

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)


def test_metrics_are_scikit_learns():
    y, p = draw_classes()
    found = KIND.evaluate(y, p, THRESHOLD, COST)
    decided = (p @ PRICES).argmin(axis=1)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, p))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(y, p, labels=[0, 1, 2]))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, decided))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(y, decided, average="macro"))
    areas = metrics.roc_auc_score(y, p, multi_class="ovr")
    assert found["roc_auc"] == pytest.approx(areas)
    precision, recall, _, counts = metrics.precision_recall_fscore_support(y, decided)
    for code, name in enumerate(CLASSES):
        assert found[f"precision_{name}"] == pytest.approx(precision[code])
        assert found[f"recall_{name}"] == pytest.approx(recall[code])
        assert found[f"share_{name}"] == pytest.approx(counts[code] / len(y))
    sure = p[np.arange(len(y)), decided]
    assert found["calibration_gap"] == pytest.approx(sure.mean() - (decided == y).mean())
    assert found["cost"] == pytest.approx(PRICES[y.astype(int), decided].mean())
    table = calibration_table(decided == y, sure)
    gaps = (table["predicted"] - table["observed"]).abs()
    assert found["ece"] == pytest.approx(np.average(gaps, weights=table["rows"]))


def test_classes_that_never_come_are_left_out_of_means():
    p = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    found = KIND.evaluate([0, 1], p, ClassCost().prices(CLASSES), ClassCost())
    assert (found["macro_f1"], found["roc_auc"], found["recall_early"]) == (1, 1, 1)
    assert np.isnan(found["recall_late"])
    assert found["precision_late"] == 0
    alone = KIND.evaluate([0, 0], p, ClassCost().prices(CLASSES), ClassCost())
    assert np.isnan(alone["roc_auc"])


def test_the_decision_has_the_least_expected_cost_of_all():
    _, p = draw_classes(300)
    decided = KIND.decide(p, THRESHOLD)
    for row, found in zip(p, decided, strict=True):
        expected = [sum(row[i] * PRICES[i, j] for i in range(3)) for j in range(3)]
        assert expected[found] == min(expected)
    assert (KIND.decide(p, ClassCost().prices(CLASSES)) == p.argmax(axis=1)).all()


@pytest.mark.parametrize("metric", ["log_loss", "brier", "accuracy", "cost"])
def test_baseline_is_the_best_constant(metric):
    y, p = draw_classes(501)
    holdout = KIND.evaluate(y, p, THRESHOLD, COST)
    random = np.random.default_rng(1).dirichlet([1, 1, 1], 40)
    tries = [KIND.best_constant(metric, holdout), *random, *np.eye(3)]
    ours, *others = (
        KIND.evaluate(y, np.tile(at, (501, 1)), THRESHOLD, COST)[metric] for at in tries
    )
    assert ours >= max(others) if metric == "accuracy" else ours <= min(others) + 1e-9


@pytest.mark.parametrize(
    ("subject", "reference"),
    [
        ("log_loss", lambda y, p, w: metrics.log_loss(y, p, sample_weight=w)),
        ("brier", lambda y, p, w: metrics.brier_score_loss(y, p, sample_weight=w)),
        ("accuracy", lambda y, p, w: metrics.accuracy_score(y, p.argmax(axis=1), sample_weight=w)),
        ("cost", lambda y, p, w: metrics.zero_one_loss(y, p.argmax(axis=1), sample_weight=w)),
    ],
)
def test_block_metrics_equal_scikit_learn_on_repeated_rows(subject, reference):
    y, p = draw_classes(500)
    block = assign_blocks(pl.Series([NOON + timedelta(days=i % 20) for i in range(500)]), Gate(), 0)
    one = Predictions(p, KIND.decide(p, ClassCost().prices(CLASSES)))
    pair, draws = PairedPredictions(y, block, 20, one, one, KIND), draw_blocks(20, 5, seed=1)
    theirs = [reference(y, p, draw[block]) for draw in draws]
    found = block_metric(subject, pair, one, ClassCost())(draws)
    np.testing.assert_allclose(found, theirs, rtol=1e-6)


def test_compare_models_shows_overconfidence_as_calibration():
    y, p = draw_classes()
    sharp = p**4 / (p**4).sum(axis=1, keepdims=True)
    times = [NOON + timedelta(days=i % 20) for i in range(len(y))]
    rows = pl.DataFrame({"arrival": y, "prediction_time": times, "origin": ["JFK"] * len(y)})
    new, old = (Predictions(v, KIND.decide(v, THRESHOLD)) for v in (sharp, p))
    found = {of.subject: of for of in compare_models(classes_use_case(), rows, new, old)}
    assert set(found) == {"log_loss", "cost", "calibration", "origin=JFK"}
    assert {found[name].high < 0 for name in ("log_loss", "calibration")} == {True}
    assert {of.unit for of in found.values()} == {1.0}


def test_ties_of_a_forest_are_settled_for_both_runtimes():
    random = np.random.default_rng(0)
    thirds = random.multinomial(3, [1 / 3] * 3, 500) / 3
    prices = ClassCost().prices(CLASSES)
    theirs = thirds + random.uniform(-1e-7, 1e-7, thirds.shape)
    assert KIND.count_flipped_decisions(thirds, prices, theirs, prices) > 0
    clear = KIND.move_threshold_clear(prices, thirds, 1e-6)
    assert KIND.count_flipped_decisions(thirds, clear, theirs, clear) == 0
    np.testing.assert_allclose(clear, prices, atol=1e-4)
    untied = np.eye(3)
    assert KIND.move_threshold_clear(prices, untied, 1e-6) == prices


def test_names_become_codes_and_a_name_that_is_none_is_told():
    names = pl.Series("arrival", ["late", None, "early"])
    assert KIND.encode_labels(names).to_list() == [2, None, 0]
    stars = Multiclass(("1", "2", "3"))
    assert stars.encode_labels(pl.Series([3, 1])).to_list() == [2, 0]
    said = KIND.find_label_error(pl.Series("arrival", ["gone", "delayed"]))
    assert "holds 'delayed', 'gone', which label.classes does not" in said


def test_prices_are_a_matrix_of_true_and_decided_classes():
    assert COST.prices(CLASSES) == tuple(map(tuple, PRICES.tolist()))
    assert problem_type_of(classes_use_case()).classes == CLASSES
