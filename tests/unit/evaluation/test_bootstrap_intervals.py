"""Bootstrap intervals: their width with few blocks, and draws without a value."""

from dataclasses import replace

import numpy as np
import pytest

from configs.schema.costs import Cost
from tasks.evaluation.blocks import draw_blocks
from tasks.evaluation.bootstrap import (
    Difference,
    PairedPredictions,
    measure_difference,
    pair_metric,
)
from tasks.evaluation.bootstrap_intervals import bootstrap_interval
from tasks.evaluation.problem_types import PROBLEM_TYPES
from tests.support.decisions import predict_at

EVENT = PROBLEM_TYPES["binary"]()


COST = Cost(false_positive=1, false_negative=3)


@pytest.mark.parametrize(("blocks", "level"), [(5, 0.0010), (10, 0.0086), (20, 0.0159)])
def test_few_blocks_widen_the_interval_as_hesterberg_has_it(blocks, level):
    even = np.linspace(0, 1, 100_001)
    assert bootstrap_interval(even, blocks, 0.05) == pytest.approx((level, 1 - level), abs=1e-4)


@pytest.mark.parametrize(("blocks", "error"), [(5, 0.05), (5, 0.01), (7, 0.01), (14, 0.01)])
def test_few_blocks_miss_at_most_as_often_as_stated(blocks: int, error: float):
    """Also where the tail is too small for the number of resamples."""
    random = np.random.default_rng(1)
    draws = draw_blocks(blocks, 200, 0)
    misses = 0
    for values in random.normal(size=(2000, blocks)):
        low, high = bootstrap_interval(draws @ values / blocks, blocks, error)
        misses += low > 0 or high < 0
    assert misses / 2000 <= 1.4 * error + 2 * np.sqrt(error / 2000)


def test_a_tail_beyond_the_resamples_is_as_wide_as_students_t():
    even = np.linspace(-1, 1, 1001)
    low, high = bootstrap_interval(even, 7, 1e-4)
    assert high == -low == pytest.approx(np.sqrt(7 / 6) * 9.0823 * even.std(), rel=1e-4)


def test_a_resample_without_an_event_is_left_out():
    """Of five blocks one alone has events: about a third of the draws miss it."""
    label = np.array([1.0, 0, 0, 0, 0, 0])
    new, old = predict_at(np.array([0.9, 0.1, 0.2, 0.3, 0.4, 0.5])), predict_at(np.full(6, 0.5))
    pair = PairedPredictions(label, np.array([0, 0, 1, 2, 3, 4]), 5, new, old, EVENT)
    found = measure_difference(
        pair_metric("roc_auc", pair, COST), pair, draw_blocks(5, 1000, 0), 0.05
    )
    assert replace(found, blocks=0) == Difference(
        "roc_auc", 1.0, 0.5, 0.5, 0.5, 0.5, rows=6, blocks=0, confidence=0.95
    )
