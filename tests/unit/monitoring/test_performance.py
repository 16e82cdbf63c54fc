"""Performance with labels that come late: coverage, maturity, a champion's own rows, the rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.evaluation.alarms.limits import RuleLimit, compute_rule_limit
from tasks.evaluation.metrics import measure_binary_metrics
from tasks.monitoring.measurements import Measurement
from tasks.monitoring.performance import (
    find_longest_window,
    join_labels,
    measure_rules,
    measure_window_metrics,
)

AS_OF = datetime(2024, 3, 4, tzinfo=UTC)
LONG_AGO = AS_OF - timedelta(days=365)
WEEK = timedelta(days=7)
HOLDOUT = {
    "roc_auc": 0.75, "calibration_gap": 0.01, "log_loss": 0.5, "cost": 0.5, "rows": 100.0,
}  # fmt: skip


def case_with_rules(*performance: dict[str, Any]) -> UseCase:
    flights = load_use_case("flights")
    chosen = tuple(PerformanceRule.model_validate(rule) for rule in performance)
    monitor = flights.monitor.model_copy(update={"performance": chosen})
    return flights.model_copy(update={"monitor": monitor})


AUC = {"metric": "roc_auc", "window": "2w", "worse_by": 0.05}
GAP = {"metric": "calibration_gap", "window": "1w", "worse_by": 0.05}
RULED = case_with_rules(AUC, GAP)


def predictions(days: float = 14, version: int = 1, noise: float = 1.0) -> pl.DataFrame:
    """One prediction an hour, up to AS_OF, of a rather good model; `truth` is the label to come."""
    random = np.random.default_rng(0)
    rows = int(24 * days)
    truth = random.random(rows) < 0.4
    score = 1 / (1 + np.exp(-(random.normal(size=rows) * noise + np.where(truth, 0.8, -1.2))))
    times = [AS_OF - timedelta(hours=i + 1) for i in range(rows)]
    return pl.DataFrame(
        {
            "carrier": "AA", "flight": list(range(rows)), "origin": "JFK", "flight_date": times,
            "prediction_time": times, "probability": score, "model_version": version,
            "truth": truth.astype(np.int8),
        }
    )  # fmt: skip


def labels_known(rows: pl.DataFrame, lag: timedelta) -> pl.DataFrame:
    """The labels of the rows whose label has come by AS_OF when it takes `lag`."""
    come = rows.filter(pl.col("prediction_time") + lag <= AS_OF)
    return come.select(*RULED.spine.key, "prediction_time", late="truth").sample(
        fraction=1, shuffle=True, seed=1
    )


def ruled(rows: pl.DataFrame, since: datetime = LONG_AGO) -> dict[str, Measurement]:
    return {n.subject: n for n in measure_rules(RULED, rows, HOLDOUT, 0.5, since, AS_OF)}


def labelled(rows: pl.DataFrame, hours: float = 0) -> pl.DataFrame:
    return join_labels(RULED, rows, labels_known(rows, timedelta(hours=hours)))


def test_late_labels_are_missing_and_order_stays() -> None:
    rows = predictions()
    found = labelled(rows, hours=24)
    assert found.drop("late").equals(rows)
    assert found["late"].null_count() == 23
    assert (
        found.drop_nulls("late")
        .select("late")
        .equals(found.drop_nulls("late").select(late="truth"))
    )


def test_measure_rules_uses_the_labelled_rows_of_the_window() -> None:
    rows = labelled(predictions(), hours=24)
    known_rows = rows.drop_nulls("late")
    cost = RULED.evaluation.cost
    expected = measure_binary_metrics(known_rows["late"], known_rows["probability"], 0.5, cost)
    found = ruled(rows)["roc_auc_2w"]
    assert found.value == expected["roc_auc"]
    assert found.coverage == pytest.approx((336 - 23) / 336)
    assert (found.window_start, found.window_end, found.rows) == (AS_OF - 2 * WEEK, AS_OF, 336)


def test_too_few_labels_give_coverage_and_nothing_else() -> None:
    rows = labelled(predictions(), hours=60)
    found = ruled(rows)
    assert found["roc_auc_2w"].verdict == "ok"
    gap = found["calibration_gap_1w"]
    assert gap.coverage == pytest.approx((168 - 59) / 168)
    assert gap.value is gap.verdict is None


def test_no_prediction_at_all_is_no_coverage() -> None:
    rows = labelled(predictions()).clear()
    assert {n.coverage for n in ruled(rows).values()} == {0.0}
    assert {n.verdict for n in ruled(rows).values()} == {None}
    assert {n.value for n in measure_window_metrics(RULED, rows, HOLDOUT, 0.5, AS_OF)} == {None}


def test_measure_rules_waits_for_rows_of_a_new_champion() -> None:
    rows = labelled(predictions(days=7))
    young = ruled(rows, since=AS_OF - WEEK)
    assert young["roc_auc_2w"].coverage == pytest.approx(0.5)
    assert young["roc_auc_2w"].verdict is None
    assert young["calibration_gap_1w"].verdict is not None


def test_worse_than_the_holdout_by_more_than_the_margin_pages() -> None:
    good, bad = labelled(predictions(noise=0.5)), labelled(predictions(noise=6))
    assert ruled(good)["roc_auc_2w"].verdict == "ok"
    found = ruled(bad)["roc_auc_2w"]
    assert found.verdict == "page"
    assert found.threshold == pytest.approx(0.70)
    assert found.cause == "performance:roc_auc_2w"


def test_a_rule_gives_its_own_severity_and_is_ok_all_the_same() -> None:
    ticket = case_with_rules({**AUC, "severity": "ticket"})
    for noise, verdict in ((0.5, "ok"), (6, "ticket")):
        rows = labelled(predictions(noise=noise))
        (found,) = measure_rules(ticket, rows, HOLDOUT, 0.5, LONG_AGO, AS_OF)
        assert found.verdict == verdict


@pytest.mark.parametrize("shift", [-0.2, 0.2])
def test_a_gap_pages_on_either_side(shift: float) -> None:
    rows = labelled(predictions()).with_columns((pl.col("probability") + shift).clip(0, 1))
    found = ruled(rows)["calibration_gap_1w"]
    assert found.value is not None
    assert np.sign(found.value) == np.sign(shift)
    assert found.verdict == "page"


def test_limits_lie_on_the_worse_side() -> None:
    auc, gap = (PerformanceRule.model_validate(rule) for rule in (AUC, GAP))
    loss = PerformanceRule.model_validate({**AUC, "metric": "log_loss"})
    assert compute_rule_limit(auc, 0.75, 0.05) == pytest.approx(0.70)
    assert compute_rule_limit(loss, 0.5, 0.05) == pytest.approx(0.55)
    assert compute_rule_limit(gap, -0.02, 0.05) == pytest.approx(0.07)


def test_a_rule_with_false_alarms_is_judged_by_its_calibrated_limit_alone() -> None:
    rate = {"metric": "roc_auc", "window": "2w", "false_alarms": "0.5 per year"}
    case, rows = case_with_rules(rate), labelled(predictions(noise=6))
    limit = RuleLimit(false_alarms=0.5, reference=0.8, limit=0.7, detects=0.1, days=28)
    for limits, verdict, threshold in (
        ({"roc_auc_2w": limit}, "page", 0.7),
        ({"roc_auc_2w": limit.model_copy(update={"false_alarms": 1.0})}, None, None),
        ({}, None, None),
    ):
        (found,) = measure_rules(case, rows, HOLDOUT, 0.5, LONG_AGO, AS_OF, limits)
        assert (found.verdict, found.threshold) == (verdict, threshold)
        assert found.value is not None


def test_due_rows_that_the_champion_did_not_predict_are_not_covered() -> None:
    rows = labelled(predictions())
    others = pl.Series([AS_OF - timedelta(hours=i) for i in range(1, 113)])
    found = measure_rules(RULED, rows, HOLDOUT, 0.5, LONG_AGO, AS_OF, unscored=others)
    assert found[0].coverage == pytest.approx(336 / (336 + 112))
    assert found[0].verdict is None


def test_measure_window_metrics_has_all_metrics_and_no_verdict() -> None:
    rows = labelled(predictions())
    found = {
        n.subject: n for n in measure_window_metrics(case_with_rules(), rows, HOLDOUT, 0.5, AS_OF)
    }
    assert found.keys() == HOLDOUT.keys() - {"rows"}
    assert {n.verdict for n in found.values()} == {None}
    assert found["cost"].rows == 168
    assert found["cost"].reference == 0.5
    assert found["cost"].value is not None


def test_one_outcome_only_leaves_the_ranking_undefined() -> None:
    rows = labelled(predictions()).with_columns(late=pl.lit(0, pl.Int8))
    found = {n.subject: n.value for n in measure_window_metrics(RULED, rows, HOLDOUT, 0.5, AS_OF)}
    assert found["roc_auc"] is None
    assert found["cost"] is not None
    assert ruled(rows)["roc_auc_2w"].verdict is None


def test_predictions_are_needed_as_far_back_as_the_longest_rule() -> None:
    assert find_longest_window(RULED) == 2 * WEEK
    assert find_longest_window(case_with_rules()) == WEEK
