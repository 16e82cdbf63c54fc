"""Less probability for what was true never helps a challenger; no order of the classes counts."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.schema.base import METRICS
from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.problem_types import problem_type_of
from tasks.promotion.gate import Decision, judge_harm, judge_predictions
from tests.support.decisions import assert_not_better, gate_verdicts
from tests.support.punctuality import CLASSES, classes_use_case

ROWS, DAYS = 900, 9
NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
EQUAL = {"wrong": 1}  # what is decided is then the likeliest class
seeds = st.integers(0, 10_000)
metrics = st.sampled_from(METRICS["multiclass"])
rules = st.sampled_from(["superiority", "non_inferiority"])
orders = st.permutations(range(3))


@cache
def multiclass_gate_case(
    metric: str, rule: str, classes: tuple[str, ...] = CLASSES, dear: bool = False
) -> UseCase:
    gate = {"metric": metric, "rule": rule, "margin": 0.05, "min_rows": 500, "resamples": 1000}
    cost = {"wrong": 1, "exceptions": {"late": {"early": 4, "on_time": 2}}} if dear else EQUAL
    label = {"function": "arrivals", "column": "arrival", "kind": "multiclass",
             "classes": list(classes)}  # fmt: skip
    slices = {"cost": cost, "slices": ["origin"], "slice_min_rows": 100}
    return classes_use_case(gate=gate, evaluation=slices, label=label)


@cache
def arrival_rows() -> pl.DataFrame:
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "arrival": random.choice(3, ROWS, p=[0.3, 0.5, 0.2]).astype(np.int8),
            "prediction_time": [NOON + timedelta(days=i % DAYS) for i in range(ROWS)],
            "origin": random.choice(["EWR", "JFK"], ROWS),
        }
    )


def draw_class_probabilities(seed: int, knows: float) -> np.ndarray:
    """Probabilities, the more of the truth the more it `knows`."""
    truth = np.eye(3)[arrival_rows()["arrival"].to_numpy()]
    return np.random.default_rng(seed).dirichlet([1, 1, 1], ROWS) * (1 - knows) + truth * knows


def decide_classes(use_case: UseCase, value: np.ndarray) -> Predictions:
    kind = problem_type_of(use_case)
    return Predictions(
        value, kind.decide(value, kind.choose_threshold([], [], use_case.evaluation.cost))
    )


def judge_classes(use_case: UseCase, new: np.ndarray, old: np.ndarray) -> Decision:
    return judge_predictions(
        use_case, arrival_rows(), decide_classes(use_case, new), decide_classes(use_case, old)
    )


@settings(max_examples=40)
@given(seeds, seeds, metrics, rules, st.floats(0, 0.5), st.floats(0.01, 1))
def test_gate_is_monotone_in_the_probability_of_the_truth(seed, other, metric, rule, knows, share):
    """What the truth loses goes to the others as they share the rest, so no decision gets right."""
    use_case, old, new = (
        multiclass_gate_case(metric, rule),
        draw_class_probabilities(seed + 1, 0.2),
        draw_class_probabilities(seed, knows),
    )
    random, truth = np.random.default_rng(other), arrival_rows()["arrival"].to_numpy()
    taken = random.random(ROWS) * (random.random(ROWS) < share)
    of_truth = np.eye(3)[truth] * new
    kept = of_truth * (1 - taken[:, None])
    rest = new - of_truth
    freed = (of_truth - kept).sum(axis=1, keepdims=True)
    worse = kept + rest * (1 + freed / rest.sum(axis=1, keepdims=True))
    before, after = judge_classes(use_case, new, old), judge_classes(use_case, worse, old)
    assert_not_better(metric, before, after)


@settings(max_examples=30)
@given(seeds, metrics, rules, st.floats(0, 0.5), orders)
def test_classes_in_another_order_are_decided_alike(seed, metric, rule, knows, order):
    new, old = draw_class_probabilities(seed, knows), draw_class_probabilities(seed + 1, 0.2)
    one = multiclass_gate_case(metric, rule, dear=True)
    other = multiclass_gate_case(metric, rule, tuple(CLASSES[code] for code in order), dear=True)
    codes = np.argsort(order)[arrival_rows()["arrival"].to_numpy()]
    gates, bakes = [], []
    for use_case, frame, columns in (
        (one, arrival_rows(), [0, 1, 2]),
        (other, arrival_rows().with_columns(arrival=pl.Series(codes)), list(order)),
    ):
        both = decide_classes(use_case, new[:, columns]), decide_classes(use_case, old[:, columns])
        gates.append(gate_verdicts(judge_predictions(use_case, frame, *both)))
        bakes.append(gate_verdicts(judge_harm(use_case, frame, *both, use_case.bake, 500)))
    assert gates[0] == gates[1]
    assert bakes[0] == bakes[1]
