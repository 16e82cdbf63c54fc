"""Metrics against scikit-learn's, the threshold against trying every one."""

import numpy as np
import pytest
from sklearn import metrics

from tasks.evaluation.metrics import calibration_table, is_better, mean_cost, measure_binary_metrics
from tests.support.scores import COST, draw_labels_and_scores


def test_metrics_equal_scikit_learns():
    y, p = draw_labels_and_scores(700)
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


def test_calibration_table_holds_all_rows_and_gives_the_ece():
    y, p = draw_labels_and_scores(1003)
    table = calibration_table(y, p)
    assert table.height == 10
    assert table["rows"].sum() == 1003
    assert table["low"].is_sorted()
    by_hand = sum(abs(r["predicted"] - r["observed"]) * r["rows"] for r in table.to_dicts()) / 1003
    assert measure_binary_metrics(y, p, 0.5, COST)["ece"] == pytest.approx(by_hand)
    assert calibration_table(y[:3], p[:3]).height == 3


def test_better_follows_the_metrics_direction():
    assert is_better("roc_auc", 0.7, 0.6)
    assert is_better("cost", 0.6, 0.7)
    assert not is_better("brier", 0.2, 0.2)
