"""Reference profiles: PSI by hand, bins at their edges, thresholds from the reference weeks."""

import numpy as np
import polars as pl
import pytest

from configs.schema.monitoring import DriftRule
from tasks.models.reference_profile import (
    CategoricalBins,
    NumericBins,
    build_reference_profile,
)
from tests.support.hourly_rows import hourly


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
