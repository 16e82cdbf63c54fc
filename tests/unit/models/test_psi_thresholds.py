"""The population stability index, by hand."""

import math

import pytest

from configs.schema.monitoring import DriftRule
from tasks.models.psi_thresholds import SMOOTHING, measure_psi


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
