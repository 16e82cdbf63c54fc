"""Years of resampled days: likeness of days, draws and windows."""

import numpy as np
import pytest

from tasks.evaluation.alarms.resampled_years import (
    count_days,
    draw_days,
    estimate_likeness,
    measure_influences,
    play_windows,
)
from tests.support.daily_series import WEEK, daily, rule, series


def test_likeness_is_found_and_on_the_safe_side() -> None:
    calm, slow = (
        estimate_likeness(measure_influences(daily(series(400, memory, 1))))
        for memory in (0.0, 0.8)
    )
    assert calm < 0.2 < 0.5 < slow <= 0.9
    assert estimate_likeness(np.ones(30)) == 0


@pytest.mark.parametrize("block", [1, 3, 7])
def test_days_are_drawn_in_blocks_and_counted_by_window(block: int) -> None:
    drawn = draw_days(np.random.default_rng(0), 10, (5, 20), block)
    assert drawn.shape == (5, 20)
    inside = np.arange(1, 20)[np.arange(1, 20) % block != 0]
    assert ((drawn[:, inside] - drawn[:, inside - 1]) % 10 == 1).all()
    windows = np.lib.stride_tricks.sliding_window_view(drawn, 4, axis=1)
    counts = count_days(windows, 10)
    assert counts.shape == (5 * 17, 10)
    assert (counts.sum(axis=1) == 4).all()
    assert counts[0].nonzero()[0].tolist() == sorted(set(drawn[0, :4].tolist()))


def test_windows_spread_more_for_days_that_are_alike() -> None:
    spreads = [
        play_windows(rule(), daily(series(200, memory, 2)), WEEK, 0).std() for memory in (0.0, 0.6)
    ]
    assert 1.2 * spreads[0] < spreads[1]


def test_certain_years_spread_less_than_those_of_an_uncertain_level() -> None:
    values = daily(series(60, 0.3, 2))
    spreads = [
        play_windows(rule(), values, WEEK, 0, certain=certain).std() for certain in (True, False)
    ]
    assert 1.2 * spreads[0] < spreads[1]
