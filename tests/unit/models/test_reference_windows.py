"""Windows of the reference: start-up weeks, seasons of earlier years, limits within reach."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.schema.monitoring import ContractRule, DriftRule
from tasks.models.psi_thresholds import measure_psi
from tasks.models.reference_profile import build_reference_profile
from tasks.models.reference_windows import calibrate_null_limit
from tasks.monitoring.drift import measure_drift
from tests.support.hourly_rows import hourly
from tests.support.seasonal_counts import CATEGORICAL, NUMERIC, seasonal_counts


@pytest.mark.parametrize("empty_days", [7, 10, 28, 40])
def test_weeks_before_the_history_of_a_column_do_not_count(empty_days: int) -> None:
    x = np.random.default_rng(0).normal(size=24 * 120)
    x[: 24 * empty_days] = np.nan
    of = build_reference_profile(hourly(120, x=x), ["x"], [], "time", DriftRule())
    assert of.columns["x"].null_rate == 0
    assert of.columns["x"].threshold < 0.5
    assert of.columns["x"].shares[-1] == 0


@pytest.mark.parametrize("days", [30, 100, 400, 800])
def test_every_limit_is_below_what_one_wrong_bin_gives(days: int) -> None:
    frame = seasonal_counts(days)
    of = build_reference_profile(frame, NUMERIC, CATEGORICAL, "time", DriftRule(factor=100))
    for name, column in of.columns.items():
        usual = np.array(column.shares)
        worst = max(measure_psi(one, usual) for one in np.eye(usual.size))
        assert column.threshold < worst / 2, name


@pytest.mark.parametrize("weeks", [13, 26])
@pytest.mark.parametrize("level", [0.02, 0.3, 0.9])
def test_clean_weeks_exceed_a_null_limit_at_most_at_the_stated_rate(weeks: int, level: float):
    """Null rates vary from week to week, by more than the rows of a week do."""
    random, tail, above = np.random.default_rng(0), 0.01, []
    for _ in range(300):
        rates = random.beta(60 * level, 60 * (1 - level), weeks + 20)
        known = rates[:weeks]
        limit = ContractRule(max_null_rise=0.01).limit_nulls(
            known.max(), calibrate_null_limit(known, tail)
        )
        above.append((rates[weeks:] > limit).mean())
    assert np.mean(above) <= 2.5 * tail


@given(st.lists(st.floats(0, 0.999) | st.just(1.0), min_size=1, max_size=30), st.floats(1e-6, 0.5))
def test_a_null_limit_is_never_beyond_reach(rates: list[float], tail: float):
    calibrated = calibrate_null_limit(np.array(rates), tail)
    assert 0 <= calibrated <= 1
    limit = ContractRule().limit_nulls(max(rates), calibrated)
    assert limit < 1 or max(rates) == 1
    assert limit >= min(max(rates) + 0.05, (1 + max(rates)) / 2)


def test_steady_null_rates_keep_the_limit_of_the_rule():
    assert calibrate_null_limit(np.array([0.0, 0.3, 0.1]), 1e-4) == 0.3  # too few windows
    assert calibrate_null_limit(np.full(13, 0.1), 1e-4) == pytest.approx(0.1)
    assert ContractRule().limit_nulls(0.1, 0.1) == pytest.approx(0.15)
    assert ContractRule().limit_nulls(0.1, 0.3) == pytest.approx(0.3)


def test_a_week_is_compared_with_its_season_too() -> None:
    frame = seasonal_counts(730, growth=1)
    of = build_reference_profile(frame, ["temperature"], [], "time", DriftRule())
    summer = frame.slice(24 * 190, 24 * 7)
    at = summer["time"][84]
    alone, seasonal = measure_drift(summer, of), measure_drift(summer, of, at)
    assert seasonal["psi"].item() < 0.5 < alone["psi"].item()
    assert (
        build_reference_profile(frame.head(24 * 365), ["temperature"], [], "time", DriftRule())
        .columns["temperature"]
        .seasons
        == ()
    )


def test_a_level_that_doubles_in_a_year_is_found_within_half_of_it() -> None:
    before = seasonal_counts(400, growth=1)
    of = build_reference_profile(before, ["label", "count_1d"], [], "time", DriftRule())
    year = seasonal_counts(764, growth=1)
    grown = year.with_columns(
        pl.col("label", "count_1d")
        * (2 ** ((pl.int_range(pl.len()) - 24 * 400).clip(0) / (24 * 364)))
    )
    found = []
    for day in range(400, 582, 7):
        week = grown.slice(24 * day, 168)
        drifts = measure_drift(week, of, week["time"][84])
        found.append((drifts["psi"] > drifts["threshold"]).any())
    assert any(found)
