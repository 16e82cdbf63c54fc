"""Rates and their exact intervals, against tables."""

import pytest

from tasks.rehearsal.rates import measure_delays, measure_share, measure_yearly


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 20, 0.0, 0.1684), (1, 20, 0.0013, 0.2487), (10, 20, 0.2720, 0.7280), (20, 20, 0.8316, 1)],
)
def test_share_has_the_interval_of_clopper_and_pearson(count, of, low, high):
    rate = measure_share("s", [place < count for place in range(of)], 0.025)
    assert (rate.rate, rate.count, rate.histories, rate.stated) == (count / of, count, of, 0.025)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("total", "low", "high"), [(0, 0, 3.689), (4, 1.090, 10.242)])
def test_yearly_rate_has_the_exact_poisson_interval(total, low, high):
    rate = measure_yearly("s", [total, *[0] * 9])
    assert rate.rate == total / 10
    assert (rate.low * 10, rate.high * 10) == pytest.approx((low, high), abs=1e-3)


def test_delays_count_histories_that_found_nothing():
    assert measure_delays([7.0] * 5 + [14.0] * 3 + [None] * 2) == (7, 14)
    assert measure_delays([7.0] * 5 + [None] * 5) == (7, None)
    assert measure_delays([None]) == (None, None)
