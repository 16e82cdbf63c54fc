"""The population stability index, by hand."""

import math

import numpy as np
import pytest

from configs.schema.monitoring import DriftRule
from tasks.models.psi_thresholds import (
    SMOOTHING,
    bin_shares,
    calibrate_threshold,
    cap_threshold,
    count_bins_in_use,
    measure_psi,
    measure_psis,
)


def test_psi_equals_the_sum_worked_by_hand() -> None:
    scale = 1 + 2 * SMOOTHING
    p, q = (0.8 + SMOOTHING) / scale, (0.5 + SMOOTHING) / scale
    by_hand = (p - q) * math.log(p / q) + (q - p) * math.log((1 - p) / (1 - q))
    assert measure_psi([0.8, 0.2], [0.5, 0.5]) == pytest.approx(by_hand)
    assert measure_psi([0.8, 0.2], [0.5, 0.5]) == pytest.approx(0.4063, abs=1e-4)


def test_a_small_empty_bin_alone_does_not_reach_the_floor() -> None:
    assert (
        measure_psi([1.0, 0.0], [0.97, 0.03])
        < DriftRule().floor
        < measure_psi([1.0, 0.0], [0.9, 0.1])
    )


def clean_rates(bins: int, windows: int, noise: float, tail: float, histories: int) -> list[float]:
    """Share of clean windows beyond the limit, in each of many made-up histories.

    `noise` of one window is beyond that of its rows.
    """
    random, rule = np.random.default_rng(7), DriftRule(floor=1e-9)
    false = []
    for _ in range(histories):  # each with its own reference
        chances = random.dirichlet(np.full(bins, 5.0))
        drawn = chances * np.exp(noise * random.normal(size=(windows + 50, bins)))
        counts = random.multinomial(500, drawn / drawn.sum(axis=1, keepdims=True))
        known, total = counts[:windows], counts[:windows].sum(axis=0)
        near = measure_psis(bin_shares(known), bin_shares(total - known))
        psis = measure_psis(bin_shares(counts[windows:]), bin_shares(total))
        used = count_bins_in_use(bin_shares(total))
        limit = calibrate_threshold(near.tolist(), rule, tail, used)
        false.append(float((psis > limit).mean()))
    return false


@pytest.mark.parametrize("bins", [2, 3, 5, 12, 30])
@pytest.mark.parametrize("windows", [6, 8, 13, 60])
@pytest.mark.parametrize("noise", [0.02, 0.5])
def test_clean_windows_exceed_the_limit_at_the_stated_rate(
    bins: int, windows: int, noise: float
) -> None:
    rates = clean_rates(bins, windows, noise, tail=0.02, histories=150)
    assert np.mean(rates) <= 1.2 * 0.02 + 2 * np.std(rates) / np.sqrt(len(rates))


@pytest.mark.slow
@pytest.mark.parametrize("bins", [2, 3, 5, 12, 30])
@pytest.mark.parametrize("windows", [6, 8, 10, 13, 26, 60])
@pytest.mark.parametrize("noise", [0.02, 0.5])
@pytest.mark.parametrize("tail", [0.02, 0.003])
def test_a_thousand_histories_exceed_the_limit_at_the_stated_rate(
    bins: int, windows: int, noise: float, tail: float
) -> None:
    rates = clean_rates(bins, windows, noise, tail, histories=2000)
    assert np.mean(rates) <= 1.2 * tail + np.std(rates) / np.sqrt(len(rates))


@pytest.mark.parametrize("shares", [[1.0, 0.0], [0.5, 0.5], [0.1] * 10, [0.97, 0.01, 0.02, 0.0]])
def test_the_cap_is_less_than_half_of_the_largest_psi(shares: list[float]) -> None:
    largest = max(measure_psi(one, shares) for one in np.eye(len(shares)))
    assert 0 < cap_threshold(shares) < largest / 2
