"""Making a challenger worse never turns a refusal into a promotion."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from configs.schema.base import METRICS
from configs.schema.costs import Cost
from configs.schema.loading import load_use_case
from configs.schema.promotion import Budgets, Gate
from configs.schema.training import Evaluation, Slice
from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.models.footprint import Footprint
from tasks.promotion.gate import Decision, judge_predictions
from tasks.promotion.gate_files import check_budgets
from tests.support.decisions import assert_no_number_rose, assert_not_better

ROWS, DAYS = 900, 9
NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
THRESHOLD = 0.35

seeds = st.integers(0, 10_000)
metrics = st.sampled_from(METRICS["binary"])
rules = st.sampled_from(["superiority", "non_inferiority"])


def binary_gate_case(metric: str, rule: str) -> UseCase:
    gate = Gate(metric=metric, rule=rule, margin=0.02, min_rows=500, resamples=1000)
    cost = Cost(false_positive=1, false_negative=3, true_positive=0.5)
    evaluation = Evaluation(cost=cost, slices=(Slice(column="origin"),), slice_min_rows=100)
    return load_use_case("flights").model_copy(update={"gate": gate, "evaluation": evaluation})


@cache
def late_rows() -> pl.DataFrame:
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "late": (random.random(ROWS) < 0.3).astype(np.int8),
            "prediction_time": [NOON + timedelta(days=i % DAYS) for i in range(ROWS)],
            "origin": random.choice(["EWR", "JFK"], ROWS),
        }
    )


def scores(seed: int, knows: float) -> np.ndarray:
    """Probabilities with ties, that know so much of the label."""
    random = np.random.default_rng(seed)
    late = late_rows()["late"].to_numpy()
    return np.round(np.clip(0.3 + knows * (late - 0.3) + random.normal(0, 0.15, ROWS), 0, 1), 2)


def judge_scores(metric: str, rule: str, new: np.ndarray, old: np.ndarray) -> Decision:
    answers = (Predictions(p, p >= THRESHOLD) for p in (new, old))
    return judge_predictions(binary_gate_case(metric, rule), late_rows(), *answers)


def swapped(score: np.ndarray, seed: int, times: int) -> np.ndarray:
    """Answers exchanged between a late flight and a punctual one of the same day and origin, where
    the late one had the higher answer.
    """
    random, late = np.random.default_rng(seed), late_rows()["late"].to_numpy() == 1
    group = np.arange(ROWS) % DAYS + DAYS * (late_rows()["origin"] == "EWR").to_numpy()
    worse = score.copy()
    for _ in range(times):
        a, b = random.integers(0, ROWS, 2)
        if group[a] == group[b] and late[a] and not late[b] and worse[a] > worse[b]:
            worse[a], worse[b] = worse[b], worse[a]
    return worse


@settings(max_examples=60)
@given(seeds, seeds, metrics, rules, st.floats(0, 0.2), st.integers(1, 3000))
def test_swapped_answers_never_turn_any_gate_into_a_pass(seed, other, metric, rule, knows, times):
    new, old = scores(seed, knows + 0.05), scores(seed + 1, knows)
    worse = swapped(new, other, times)
    assume(not np.array_equal(new, worse))
    before, after = judge_scores(metric, rule, new, old), judge_scores(metric, rule, worse, old)
    assert after.verdict == "fail" or before.verdict == "pass"
    assert_no_number_rose(before, after, {*before.evidence.differences})


@settings(max_examples=60)
@given(seeds, seeds, metrics, rules, st.floats(0, 0.2), st.floats(0.001, 0.3), st.floats(0.01, 1))
def test_gate_is_monotone_in_the_error_of_scores(seed, other, metric, rule, knows, by, share):
    new, old = scores(seed, knows + 0.05), scores(seed + 1, knows)
    random, late = np.random.default_rng(other), late_rows()["late"].to_numpy() == 1
    shift = by * random.random(ROWS) * (random.random(ROWS) < share)
    worse = np.clip(np.where(late, new - shift, new + shift), 0, 1)
    before, after = judge_scores(metric, rule, new, old), judge_scores(metric, rule, worse, old)
    assert_not_better(metric, before, after)


heavier = st.floats(1, 100)


@given(st.tuples(*[st.floats(1, 1e6)] * 4), st.tuples(*[heavier] * 4), st.tuples(*[heavier] * 4))
def test_check_budgets_is_monotone_in_the_footprint(limits, first, factors):
    budgets = Budgets(
        latency_p99_us=limits[0], rows_per_second=limits[1],
        bytes=int(limits[2]), peak_memory_mib=limits[3],
    )  # fmt: skip
    light = footprint([limit / 10 * by for limit, by in zip(limits, first, strict=True)])
    heavy = Footprint(
        bytes=int(light.bytes * factors[0]),
        latency_p50_us=light.latency_p50_us,
        latency_p99_us=light.latency_p99_us * factors[1],
        rows_per_second=light.rows_per_second / factors[2],
        peak_memory_mib=light.peak_memory_mib * factors[3],
    )
    for was, now in zip(check_budgets(budgets, light), check_budgets(budgets, heavy), strict=True):
        assert was.verdict == "pass" or now.verdict == "fail"


def footprint(numbers: list[float]) -> Footprint:
    latency, speed, size, memory = numbers
    return Footprint(
        bytes=int(size), latency_p50_us=latency, latency_p99_us=latency,
        rows_per_second=speed, peak_memory_mib=memory,
    )  # fmt: skip
