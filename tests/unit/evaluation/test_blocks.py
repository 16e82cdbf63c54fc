"""Length of runs of blocks, and draws of runs: against a plain reference, and by simulation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.schema.promotion import Gate
from tasks.evaluation.blocks import (
    assign_blocks,
    choose_block_length,
    choose_common_length,
    count_blocks,
    draw_blocks,
    leave_blocks_out,
    merge_runs,
)
from tasks.evaluation.bootstrap_intervals import bootstrap_interval

Values = np.ndarray


def similar_days(seed: int, days: int, similarity: float) -> Values:
    """Values of days; each resembles the one before (autoregression of order 1)."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=days + 50)
    values = np.zeros(days + 50)
    for day in range(1, days + 50):
        values[day] = similarity * values[day - 1] + noise[day]
    return values[50:]


def reference_length(values: Values) -> float:
    """Politis and White for the circular bootstrap, step by step, without rounding and bounds."""
    n, mean = len(values), np.mean(values)
    covariance = [
        sum((values[i] - mean) * (values[i + k] - mean) for i in range(n - k)) / n for k in range(n)
    ]
    bound, lags = 2 * np.sqrt(np.log10(n) / n), min(int(np.ceil(np.sqrt(n))) + 5, n - 1)
    large = [abs(covariance[k]) / covariance[0] >= bound for k in range(1, lags + 1)]
    last = next((m for m in range(lags - 4) if not any(large[m : m + 5])), lags)
    width = min(2 * max(last, 1), lags)
    slope, long_run = 0.0, covariance[0]
    for k in range(1, width + 1):
        weight = 1.0 if k / width <= 0.5 else 2 * (1 - k / width)
        slope += 2 * weight * k * covariance[k]
        long_run += 2 * weight * covariance[k]
    if long_run <= covariance[0]:
        return 1.0
    return float((2 * slope**2 / (4 / 3 * long_run**2)) ** (1 / 3) * n ** (1 / 3))


@given(st.integers(0, 10_000), st.integers(10, 120), st.floats(-0.9, 0.9))
def test_choose_block_length_is_the_reference_rounded_up_within_bounds(seed, days, similarity):
    values = similar_days(seed, days, similarity)
    expected = min(max(int(np.ceil(reference_length(values))), 1), days // 5)
    assert choose_block_length(values) == expected


@pytest.mark.parametrize("level", [0.0, 1.0, -3.5, 1e9])
def test_equal_blocks_need_no_runs(level):
    assert choose_block_length(np.full(40, level)) == 1


@pytest.mark.parametrize("days", [1, 2, 5, 9])
def test_fewer_than_ten_blocks_are_drawn_one_by_one(days):
    assert choose_block_length(np.arange(float(days))) == 1


def test_runs_are_at_most_a_fifth_of_the_blocks():
    assert choose_block_length(np.arange(10.0)) == 2
    assert choose_block_length(np.arange(23.0)) == 4
    assert choose_block_length(np.arange(25.0)) == 5


def test_alternating_blocks_are_drawn_one_by_one():
    assert choose_block_length(np.tile([1.0, -1.0], 40)) == 1


@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-1000, 1000))
def test_length_depends_on_neither_unit_nor_level(seed, unit, level):
    values = np.round(similar_days(seed, 60, 0.6), 3)
    assert choose_block_length(unit * values + level) == choose_block_length(values)


def test_length_grows_with_the_similarity_of_days():
    means = [
        np.mean([choose_block_length(similar_days(seed, 200, similarity)) for seed in range(40)])
        for similarity in (0.0, 0.4, 0.8)
    ]
    assert 1 <= means[0] < 2 < means[1] < 6 < means[2]


@given(st.integers(2, 40), st.integers(1, 8), st.integers(0, 100))
def test_each_draw_has_as_many_blocks_as_there_are(blocks, length, seed):
    length = min(length, blocks)
    draws = draw_blocks(blocks, 20, seed, length)
    assert draws.shape == (20, blocks)
    assert (draws.sum(axis=1) == blocks).all()
    assert (draws >= 0).all()


def test_runs_are_neighbours_on_a_circle():
    draws = draw_blocks(12, 500, 3, length=4)
    starts = np.stack([np.roll(np.eye(12), shift, axis=1) for shift in range(4)]).sum(axis=0)
    weights = np.linalg.lstsq(starts.T, draws.T, rcond=None)[0]
    np.testing.assert_allclose(starts.T @ weights, draws.T, atol=1e-9)
    assert draws.mean(axis=0) == pytest.approx(np.ones(12), abs=0.3)


def test_a_cut_run_is_shorter():
    """Five blocks in runs of three: one whole run, and one of two blocks."""
    draws = draw_blocks(5, 400, 0, length=3)
    seen = {tuple(int(count) for count in draw) for draw in draws}
    runs = lambda size: [np.roll([1] * size + [0] * (5 - size), at) for at in range(5)]  # noqa: E731
    assert seen == {tuple((a + b).tolist()) for a in runs(3) for b in runs(2)}


def test_single_blocks_are_drawn_as_before():
    even = np.random.default_rng(7).multinomial(9, np.full(9, 1 / 9), size=30)
    np.testing.assert_array_equal(draw_blocks(9, 30, 7), even)


def test_merge_runs_leaves_an_incomplete_last_run_out():
    np.testing.assert_array_equal(merge_runs(np.arange(8.0), 3), [1.0, 4.0])
    np.testing.assert_array_equal(merge_runs(np.arange(4.0), 1), np.arange(4.0))


def test_a_block_is_left_out_of_a_metric():
    values = np.array([1.0, 2.0, 6.0])
    means = leave_blocks_out(lambda draws: draws @ values / draws.sum(axis=1), 3)
    np.testing.assert_allclose(means, [4.0, 3.5, 1.5])


def test_common_length_is_the_longest_and_1_for_independent_rows():
    def mean_of(values: Values):
        return lambda draws: draws @ values / draws.sum(axis=1)

    noise, trend = similar_days(0, 60, 0.0), similar_days(0, 60, 0.9)
    alone = choose_common_length(Gate(), [mean_of(trend)], 60)
    assert alone == choose_block_length(trend) > choose_block_length(noise)
    assert choose_common_length(Gate(), [mean_of(noise), mean_of(trend)], 60) == alone
    assert choose_common_length(Gate(block=None), [mean_of(trend)], 60) == 1


def test_common_length_ignores_a_block_without_a_value():
    with_gap = similar_days(0, 60, 0.9)
    measure = lambda draws: np.where(draws[:, 7] > 0, draws @ with_gap, np.nan)  # noqa: E731
    assert choose_common_length(Gate(), [measure], 60) > 1


@pytest.mark.parametrize(("similarity", "at_most"), [(0.0, 0.06), (0.5, 0.13)])
def test_runs_bring_intervals_of_similar_days_near_the_stated_rate(similarity, at_most):
    """Two-sided at 95%, 90 days. At a similarity of 0.5 single days miss in 30%, runs in 12%."""
    missed, single = 0, 0
    for seed in range(300):
        values = similar_days(seed, 90, similarity)
        for length in {choose_block_length(values), 1}:
            means = draw_blocks(90, 400, seed, length) @ values / 90
            low, high = bootstrap_interval(means, 90 / length, 0.05)
            outside = not low <= 0 <= high
            missed += outside and length == choose_block_length(values)
            single += outside and length == 1
    assert missed / 300 <= at_most
    assert similarity == 0 or single / 300 > 0.2


def hourly_times(days: int, start: datetime = datetime(2024, 3, 29, tzinfo=UTC)) -> pl.Series:
    return pl.Series([start + timedelta(hours=hour) for hour in range(24 * days)])


@pytest.mark.parametrize(
    ("zone", "first_day", "days"),
    [
        ("UTC", 24, 4),
        ("Europe/Amsterdam", 23, 5),
        ("America/New_York", 4, 5),
        ("Asia/Tokyo", 15, 5),
    ],
)
def test_a_day_begins_at_the_midnight_of_its_zone(zone, first_day, days):
    numbers = assign_blocks(hourly_times(4), Gate(), 0, zone)
    assert (numbers == 0).sum() == first_day
    assert numbers.max() + 1 == days == count_blocks(hourly_times(4), Gate(), 0, zone)
    assert (np.diff(numbers) >= 0).all()


def test_a_day_has_23_hours_when_clocks_go_forward():
    numbers = assign_blocks(hourly_times(4), Gate(), 0, "Europe/Amsterdam")
    assert np.bincount(numbers).tolist() == [23, 24, 23, 24, 2]


@pytest.mark.parametrize("block", [timedelta(hours=6), timedelta(minutes=90)])
def test_shorter_blocks_follow_no_zone(block):
    times, gate = hourly_times(3), Gate(block=block)
    assert (assign_blocks(times, gate, 0) == assign_blocks(times, gate, 0, "Asia/Tokyo")).all()


def test_independent_rows_share_a_hundred_blocks_evenly():
    numbers = assign_blocks(hourly_times(30), Gate(block=None), 3)
    sizes = np.bincount(numbers)
    assert (len(sizes), sizes.min(), sizes.max()) == (100, 7, 8)
    assert (assign_blocks(hourly_times(30), Gate(block=None), 4) != numbers).any()
