"""A test that may be looked at every day: how often it is wrong, and what it finds."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from tasks.evaluation.confidence_sequence import (
    MIN_SEQUENCE_BLOCKS,
    SequenceBounds,
    confidence_bounds,
    sequence_verdict,
)

CONFIDENCE = 0.95
Draw = Callable[[np.random.Generator, int], np.ndarray]


def normal(random: np.random.Generator, n: int) -> np.ndarray:
    return random.normal(size=n)


def heavy(random: np.random.Generator, n: int) -> np.ndarray:
    return random.standard_t(4, size=n) / math.sqrt(2)


def skewed(random: np.random.Generator, n: int) -> np.ndarray:
    return 2 - random.gamma(4, size=n) / 2


def outcomes(
    draw: Draw, gain: float, planned: int, every: int, runs: int = 400
) -> dict[str, float]:
    """How often a test ends as shown to be better, shown to be worse, or without a verdict."""
    random, counts = np.random.default_rng(0), {"better": 0, "worse": 0, "none": 0}
    for _ in range(runs):
        blocks = draw(random, planned) + gain
        for seen in range(MIN_SEQUENCE_BLOCKS, planned + 1, every):
            found = confidence_bounds(blocks[:seen], planned, CONFIDENCE)
            said, _ = sequence_verdict(found, 0.0, at_size=False)
            if said != "wait":
                break
        counts[{"pass": "better", "fail": "worse", "wait": "none"}[said]] += 1
    return {name: count / runs for name, count in counts.items()}


@pytest.mark.parametrize("draw", [normal, heavy, skewed])
@pytest.mark.parametrize("planned", [21, 56])
def test_confidence_bounds_keep_their_error_rate_at_daily_looks(draw, planned):
    found = outcomes(draw, gain=0.0, planned=planned, every=1)
    assert found["better"] + found["worse"] <= 1 - CONFIDENCE


def test_sequence_verdict_finds_a_clear_gain_in_eight_weeks():
    found = outcomes(normal, gain=0.6, planned=56, every=7)
    assert found["better"] >= 0.8
    assert found["worse"] == 0


def test_a_loss_is_found_as_well_as_a_gain():
    found = outcomes(normal, gain=-0.6, planned=56, every=7)
    assert found["worse"] >= 0.8


def test_the_bounds_hold_the_mean_and_shrink():
    blocks = np.random.default_rng(1).normal(0.1, 1, 400)
    widths = [
        found.high - found.low
        for n in (20, 80, 400)
        if (found := confidence_bounds(blocks[:n], 60, 0.95))
    ]
    assert widths == sorted(widths, reverse=True)
    found = confidence_bounds(blocks, 60, 0.95)
    assert found.improvement == pytest.approx(blocks.mean())
    assert found.improvement - found.low == pytest.approx(found.high - found.improvement)


def test_confidence_bounds_are_tightest_near_the_plan():
    blocks = np.random.default_rng(1).normal(size=60)
    once = 1.96 * blocks.std(ddof=1) / math.sqrt(60)
    widths = {
        plan: confidence_bounds(blocks, plan, 0.95).high - blocks.mean() for plan in (15, 60, 240)
    }
    assert once < widths[60] == min(widths.values())
    assert widths[60] / once == pytest.approx(1.58, abs=0.02)


def test_the_widening_is_the_papers():
    """Theorem 2.2 by hand, at 100 blocks with a spread of 1 and rho² = 0.08, where t is normal."""
    alpha, n = 0.05, 100
    spent = -2 * math.log(alpha)
    rho2 = (spent + math.log(spent + 1)) / 100
    by_hand = math.sqrt(
        2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha)
    )
    blocks = np.tile([-1.0, 1.0], 50)
    found = confidence_bounds(blocks, 100, 0.95)
    assert found.high == pytest.approx(by_hand * blocks.std(ddof=1), rel=0.02)


@pytest.mark.parametrize(
    ("low", "high", "bar", "at_size", "said", "why"),
    [
        (0.01, 0.2, 0.0, False, "pass", "gain"),
        (-0.01, 0.2, 0.0, False, "wait", "not clear"),
        (-0.01, 0.2, -0.02, False, "pass", "gain"),
        (-0.2, -0.1, 0.0, False, "fail", "loss"),
        (-0.01, 0.2, 0.0, True, "fail", "no gain shown at the planned size"),
        (0.01, 0.2, 0.0, True, "pass", "gain"),
    ],
)
def test_the_verdict(low, high, bar, at_size, said, why):
    found = SequenceBounds((low + high) / 2, low, high, 30, 0.95)
    outcome, reason = sequence_verdict(found, bar, at_size=at_size)
    assert outcome == said
    assert why in reason
