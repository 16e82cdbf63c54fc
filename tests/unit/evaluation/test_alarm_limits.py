"""Limits of performance rules: false alarms of clean years, detected losses, patience."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.monitoring import PerformanceRule
from tasks.evaluation.alarm_limits import (
    DailyMetric,
    RuleLimit,
    calibrate_limit,
    calibrate_limits,
    count_openings,
    estimate_likeness,
    measure_daily,
    measure_influences,
)
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.metrics import Floats

WEEK, RATE = timedelta(days=7), 0.5


def rule(metric: str = "rmse", window: str = "5w", **patience: object) -> PerformanceRule:
    changes = {"metric": metric, "window": window, "false_alarms": RATE, **patience}
    return PerformanceRule.model_validate(changes)


def series(days: int, memory: float, seed: int) -> Floats:
    """A daily level of first order with standard deviation 1, and noise of the day."""
    random = np.random.default_rng(seed)
    steps = np.sqrt(1 - memory**2) * random.normal(size=days)
    level = np.empty(days)
    level[0] = random.normal()
    for day in range(1, days):
        level[day] = memory * level[day - 1] + steps[day]
    return level + 0.3 * random.normal(size=days)


def daily(values: Floats) -> DailyMetric:
    return DailyMetric(
        lambda draws: (draws @ values) / draws.sum(axis=1), len(values), float(values.mean())
    )


def play_rule(limit: RuleLimit, values: Floats, used: PerformanceRule) -> float:
    """False alarms a year of a rule on days to come."""
    days = used.window // timedelta(days=1)
    windows = np.convolve(values, np.ones(days) / days, "valid")[::7]
    return float(count_openings(used, windows[None] > limit.limit)[0] / (len(windows) * 7 / 365))


@pytest.mark.parametrize(("days", "memory"), [(28, 0.0), (28, 0.5), (105, 0.5)])
def test_days_to_come_page_at_most_at_the_stated_rate(days: int, memory: float) -> None:
    rates = []
    for seed in range(16):
        values = series(days + 365 * 5, memory, seed)
        limit = calibrate_limit(rule(), daily(values[:days]), WEEK, 0)
        assert limit is not None
        rates.append(play_rule(limit, values[days:], rule()))
    assert np.mean(rates) <= 1.2 * RATE + 2 * np.std(rates) / 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("days", [28, 105])
@pytest.mark.parametrize("memory", [0.0, 0.3, 0.5])
@pytest.mark.parametrize("patience", [{}, {"bad": 2, "of": 3}])
def test_a_thousand_clean_years_page_at_most_1_2_times_the_stated_rate(
    days: int, memory: float, patience: dict[str, int]
) -> None:
    used, rates = rule(**patience), []
    for seed in range(100):
        values = series(days + 3650, memory, seed)
        limit = calibrate_limit(used, daily(values[:days]), WEEK, 0)
        assert limit is not None
        rates.append(play_rule(limit, values[days:], used))
    error = np.std(rates) / np.sqrt(len(rates))  # of the simulation: 100 histories
    assert np.mean(rates) <= 1.2 * RATE + 2 * error


@pytest.mark.parametrize("days", [28, 105])
def test_a_loss_of_the_stated_size_is_found_in_four_of_five_windows(days: int) -> None:
    found = []
    for seed in range(12):
        values = series(days + 3650, 0.3, seed)
        limit = calibrate_limit(rule(), daily(values[:days]), WEEK, 0)
        assert limit is not None
        windows = np.convolve(values[days:] + limit.detects, np.ones(35) / 35, "valid")
        found.append((windows > limit.limit).mean())
    assert np.mean(found) >= 0.75


def test_openings_are_counted_as_episodes_open_and_close() -> None:
    bad = np.array([[0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0]], dtype=bool)
    assert count_openings(rule(), bad)[0] == 3
    # 2 of 3: opens at the second bad one; stays open while 2 of the last 3 are bad
    assert count_openings(rule(bad=2, of=3), bad)[0] == 2
    assert count_openings(rule(bad=3, of=3), bad)[0] == 1


def test_patience_allows_a_tighter_limit() -> None:
    values = daily(series(60, 0.3, 0))
    calm = calibrate_limit(rule(bad=3, of=3), values, WEEK, 0)
    quick = calibrate_limit(rule(), values, WEEK, 0)
    assert calm is not None
    assert quick is not None
    assert calm.limit < quick.limit


@pytest.mark.parametrize("days", [1, 3, 6])
def test_too_few_days_give_no_limit(days: int) -> None:
    assert calibrate_limit(rule(), daily(series(days, 0, 0)), WEEK, 0) is None


def test_likeness_is_found_and_on_the_safe_side() -> None:
    calm, slow = (
        estimate_likeness(measure_influences(daily(series(400, memory, 1))))
        for memory in (0.0, 0.8)
    )
    assert calm < 0.2 < 0.5 < slow <= 0.9
    assert estimate_likeness(np.ones(30)) == 0


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "calibration_gap", "cost", "pr_auc"])
def test_every_metric_has_a_limit_on_its_worse_side(metric: str) -> None:
    random, count = np.random.default_rng(0), 24 * 28
    start = datetime(2024, 1, 1, tzinfo=UTC)
    score = random.random(count)
    rows = pl.DataFrame(
        {
            "late": (random.random(count) < score).astype(np.int8),
            "prediction_time": [start + timedelta(hours=i) for i in range(count)],
        }
    )
    predictions = Predictions(score, score >= 0.5)
    used, case = rule(metric, "2w"), load_use_case("flights")
    monitor = case.monitor.model_copy(update={"performance": (used,)})
    case = case.model_copy(update={"monitor": monitor})
    limit = calibrate_limits(case, rows, predictions)[used.subject]
    reference = measure_daily(case, used, rows, predictions).reference
    assert limit.reference == pytest.approx(reference)
    worse = limit.limit - abs(reference) if metric != "roc_auc" else reference - limit.limit
    worse = reference - limit.limit if metric == "pr_auc" else worse
    assert worse > 0
