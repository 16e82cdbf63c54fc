"""An A/B test of entities that come again: the draw of the arms is not mistaken for a gain.

Whether a test ends as it should on flights, see test_review.py.
"""

import numpy as np
import polars as pl
import pytest

from configs.schema.loading import load_use_case
from tasks.evaluation.confidence_sequence import confidence_bounds, sequence_verdict
from tasks.promotion.ab_test import compare_arms, costs_by_block, draw_variance

FLIGHTS = load_use_case("flights")
DAYS = 84
LOOKS = (14, 28, 56, 84)


def history(random: np.random.Generator, entities: int, kept: float, gain: float = 0.0):
    """Every entity once a day: its own cost, which it keeps, and noise of the same size as `1`."""
    arms = np.where(random.random(entities) < 0.5, "challenger", "champion")
    own = kept * random.normal(size=entities) - gain * (arms == "challenger")
    costs = own + random.normal(size=(DAYS, entities))
    return pl.DataFrame(
        {
            "block": np.repeat(np.arange(DAYS), entities),
            "entity": np.tile(np.arange(entities), DAYS),
            "arm": np.tile(arms, DAYS),
            "cost": costs.ravel(),
        }
    )


def shown(rows: pl.DataFrame, *, with_draw: bool) -> bool:
    """Whether one arm is ever shown to be cheaper."""
    for days in LOOKS:
        seen = rows.filter(pl.col("block") < days)
        blocks = costs_by_block(seen)
        drawn = draw_variance(seen) if with_draw else 0.0
        found = confidence_bounds(
            (blocks["champion"] - blocks["challenger"]).to_numpy(), DAYS, 0.95, drawn
        )
        if sequence_verdict(found, 0.0, at_size=False)[0] != "wait":
            return True
    return False


@pytest.mark.parametrize(("kept", "entities"), [(1.0, 40), (0.3, 200)])
def test_judge_ab_test_of_equal_arms_keeps_its_error_rate(kept, entities):
    random = np.random.default_rng(0)
    runs = [history(random, entities, kept) for _ in range(60)]
    assert np.mean([shown(rows, with_draw=True) for rows in runs]) <= 0.05
    assert np.mean([shown(rows, with_draw=False) for rows in runs]) > 0.2


def test_entities_that_are_all_alike_add_nothing():
    random = np.random.default_rng(0)
    rows = history(random, 200, 0.0)
    differences = costs_by_block(rows).select(pl.col("champion") - pl.col("challenger")).to_series()
    assert draw_variance(rows) < 0.5 * differences.var() / DAYS
    once = rows.with_columns(entity=pl.int_range(pl.len()))
    assert draw_variance(once) == pytest.approx(0, abs=1e-12)


def test_the_draws_variance_is_that_of_two_means_of_entities():
    random = np.random.default_rng(0)
    found = np.mean([draw_variance(history(random, 60, 1.0)) for _ in range(40)])
    assert found == pytest.approx(1 / 30 + 1 / 30, rel=0.1)


def test_a_gain_is_told_with_its_numbers():
    rows = history(np.random.default_rng(0), 200, 0.3, gain=0.5)
    found = compare_arms(FLIGHTS, rows, rows.height * 2)
    assert (found.verdict, found.evidence.bar) == ("pass", 0.0)
    bound = found.evidence.bounds
    assert bound.low < 0.5 < bound.high
    assert bound.low > 0
    assert "cost" in found.reason
    assert "the gain is shown to be above +0.0000" in found.reason
