"""Limits of performance rules: false alarms of clean years, detected losses, patience."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from configs.schema.monitoring import PerformanceRule
from tasks.evaluation.alarms.episode_openings import count_openings
from tasks.evaluation.alarms.limits import (
    RuleLimit,
    calibrate_limit,
    calibrate_limits,
    measure_delay,
)
from tasks.evaluation.alarms.resampled_years import (
    measure_daily,
)
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.metrics import Floats
from tests.support.daily_series import RATE, WEEK, daily, rule, series


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


@pytest.mark.parametrize(("window", "patience"), [("2w", {"bad": 2, "of": 3}), ("5w", {})])
def test_a_loss_is_found_within_its_stated_delay_in_four_of_five_years(
    window: str, patience: dict[str, int]
) -> None:
    used, found, stride = rule(window=window, **patience), [], 7
    for seed in range(5):
        values = series(105 + 365 * 6, 0.3, seed)
        limit = calibrate_limit(used, daily(values[:105]), WEEK, 0, loss=1.0)
        assert limit is not None
        assert limit.detection_days is not None
        days = used.window // timedelta(days=1)
        for start in range(105 + days, len(values) - limit.detection_days, 60):
            lossy = values.copy()
            lossy[start:] += 1.0
            ends = np.arange(start, start + limit.detection_days + 1, stride)
            windows = np.array([lossy[end - days : end].mean() for end in ends])
            found.append(count_openings(used, windows[None] > limit.limit)[0] > 0)
    assert np.mean(found) >= 0.75


def test_a_larger_loss_is_found_earlier_and_a_small_one_never() -> None:
    values = daily(series(105, 0.3, 0))
    delays = [
        limit.detection_days
        for loss in (0.01, 0.6, 1.0, 5.0)
        if (limit := calibrate_limit(rule(), values, WEEK, 0, loss)) is not None
    ]
    assert delays[0] is None
    assert delays[1] is not None
    assert delays[1:] == sorted(delays[1:], reverse=True)
    assert delays[-1] <= 14
    limit = calibrate_limit(rule(), values, WEEK, 0, 1.0)
    assert limit is not None
    assert measure_delay(rule(), values, WEEK, 0, limit.limit, 1.0) == limit.detection_days


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
