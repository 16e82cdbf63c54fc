"""Values farther from the truth never help a challenger; no unit of the label changes a gate."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.schema.base import METRICS
from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.promotion.gate import Decision, judge_harm, judge_predictions
from tests.support.decisions import assert_not_better, gate_verdicts
from tests.support.delays import delays_use_case

ROWS, DAYS = 900, 9
NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
seeds = st.integers(0, 10_000)
metrics = st.sampled_from(METRICS["regression"])
rules = st.sampled_from(["superiority", "non_inferiority"])


@cache
def regression_gate_case(metric: str, rule: str) -> UseCase:
    gate = {"metric": metric, "rule": rule, "margin": 0.05, "min_rows": 500, "resamples": 1000}
    slices = {"cost": {"over": 1, "under": 3}, "slices": ["origin"], "slice_min_rows": 100}
    return delays_use_case(gate=gate, evaluation=slices)


@cache
def delay_rows() -> pl.DataFrame:
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "delay": np.round(random.gamma(1, 30, ROWS) - 20),
            "prediction_time": [NOON + timedelta(days=i % DAYS) for i in range(ROWS)],
            "origin": random.choice(["EWR", "JFK"], ROWS),
        }
    )


def draw_values(seed: int, noise: float) -> np.ndarray:
    """Values around the truth; some hit it."""
    random = np.random.default_rng(seed)
    return np.round(delay_rows()["delay"].to_numpy() + noise * random.normal(0, 20, ROWS))


def judge_values(metric: str, rule: str, new: np.ndarray, old: np.ndarray) -> Decision:
    return judge_predictions(
        regression_gate_case(metric, rule),
        delay_rows(),
        Predictions(new, new),
        Predictions(old, old),
    )


@settings(max_examples=50)
@given(seeds, seeds, metrics, rules, st.floats(0.2, 1.5), st.floats(0.5, 30), st.floats(0.01, 1))
def test_gate_is_monotone_in_the_error_of_values(seed, other, metric, rule, noise, by, share):
    new, old, truth = (
        draw_values(seed, noise),
        draw_values(seed + 1, 1.0),
        delay_rows()["delay"].to_numpy(),
    )
    random = np.random.default_rng(other)
    away = np.where(new == truth, random.choice([-1, 1], ROWS), np.sign(new - truth))
    worse = new + away * by * random.random(ROWS) * (random.random(ROWS) < share)
    before, after = judge_values(metric, rule, new, old), judge_values(metric, rule, worse, old)
    assert_not_better(metric, before, after)


@settings(max_examples=40)
@given(seeds, metrics, rules, st.floats(0.5, 2), st.sampled_from([-10, 10]))
def test_a_label_in_another_unit_is_decided_alike(seed, metric, rule, noise, power):
    new, old = draw_values(seed, noise), draw_values(seed + 1, 1.0)
    use_case, unit = regression_gate_case(metric, rule), 2.0**power  # exact in floating point
    other = delay_rows().with_columns(pl.col("delay") * unit)
    pairs = [(delay_rows(), new, old), (other, new * unit, old * unit)]
    gates, bakes = [], []
    for frame, challenger, champion in pairs:
        answers = Predictions(challenger, challenger), Predictions(champion, champion)
        gates.append(gate_verdicts(judge_predictions(use_case, frame, *answers)))
        bakes.append(gate_verdicts(judge_harm(use_case, frame, *answers, use_case.bake, 500)))
    assert gates[0] == gates[1]
    assert bakes[0] == bakes[1]
