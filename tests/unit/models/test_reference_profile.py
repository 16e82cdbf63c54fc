"""Reference profiles: PSI by hand, bins at their edges, thresholds from the reference weeks."""

import numpy as np
import polars as pl
import pytest

from configs.schema.monitoring import DriftRule
from tasks.models.psi_thresholds import measure_psi
from tasks.models.reference_profile import (
    CALENDAR,
    CategoricalBins,
    NumericBins,
    build_reference_profile,
)
from tasks.monitoring.drift import measure_drift
from tests.support.hourly_rows import hourly
from tests.support.seasonal_counts import CATEGORICAL, NUMERIC, START, seasonal_counts


def test_numeric_bins_are_closed_above_and_open_at_both_ends() -> None:
    bins = NumericBins(edges=(0.0, 1.0, 2.0))
    values = pl.Series([-5.0, 0.0, 0.5, 1.0, 2.0, 2.5, float("inf"), None, float("nan")])
    assert bins.assign_bins(values).tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 4]


def test_categorical_bins_tell_other_unseen_and_missing_apart() -> None:
    bins = CategoricalBins(common=("a", "b"), other=("c",))
    assert bins.assign_bins(pl.Series(["a", "b", "c", "new", None])).tolist() == [0, 1, 2, 3, 4]


def test_the_limit_of_an_odd_week_is_higher_and_factor_multiplies_it() -> None:
    week = np.repeat([0.0, 0.0, 1.0, 0.0], 7 * 24)
    noise = np.random.default_rng(0).normal(size=week.size)
    frame = hourly(28, odd=week + noise, calm=noise)
    one, two = (
        build_reference_profile(frame, ["odd", "calm"], [], "time", DriftRule(factor=factor))
        for factor in (1, 2)
    )
    assert one.columns["calm"].threshold < one.columns["odd"].threshold
    assert two.columns["calm"].threshold == pytest.approx(2 * one.columns["calm"].threshold)
    assert one.window_rows == 168


def test_reference_profile_counts_full_weeks_only() -> None:
    frame = hourly(20, x=np.arange(480.0))
    assert build_reference_profile(frame, ["x"], [], "time", DriftRule()).window_rows == 168
    one = build_reference_profile(frame.head(24 * 8), ["x"], [], "time", DriftRule(floor=0.2))
    none = build_reference_profile(frame.head(24 * 3), ["x"], [], "time", DriftRule(floor=0.2))
    assert none.columns["x"].threshold == 0.2
    assert none.window_rows == 72
    assert one.columns["x"].threshold == 0.2  # one full week says nothing about the spread


def test_the_null_rate_is_that_of_the_worst_week() -> None:
    x = [1.0] * 168 + [None] * 84 + [1.0] * 84 + [1.0] * 168 + [None] * 24
    of = build_reference_profile(hourly(22, x=x), ["x"], [], "time", DriftRule())
    assert of.columns["x"].null_rate == 0.5


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


def test_calendar_columns_inform_and_others_are_judged() -> None:
    frame = seasonal_counts(400).with_columns(
        quarter_name="Q" + pl.col("time").dt.quarter().cast(pl.String),
        days_running=(pl.col("time") - START).dt.total_days().cast(pl.Float64),
        wave=(2 * np.pi * pl.col("time").dt.ordinal_day() / 365.25).sin(),
        local_month=pl.col("time").dt.convert_time_zone("Asia/Tokyo").dt.month(),
    )
    calendar = ["month", "week", "days_running", "wave", "local_month"]
    numeric = [*NUMERIC, "days_running", "wave", "local_month"]
    of = build_reference_profile(
        frame, numeric, ["plan", "quarter_name"], "time", DriftRule()
    ).columns
    found = [name for name, column in of.items() if column.informs == CALENDAR]
    assert sorted(found) == sorted([*calendar, "quarter_name"])


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
