"""How often the gate lets in what it should: an equal challenger hardly ever, a better one mostly.

Histories of 21 days are drawn day by day from real flights and real models' answers to them.
Measured: an equal challenger passes in 17 of 500, in 97 of 3,000 (3.2%; a 95% interval may miss 5%,
half of it on this side); one that is better by 0.02 of AUC in 89 of 100.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from configs.schema.use_case import UseCase
from tasks.promotion.gate import judge_predictions
from tests.support.flights import quick_use_case
from tests.support.predictions import Floats, histories, predictions_at_threshold, spring

pytestmark = pytest.mark.system

GAIN = 0.02


def shipped_gate_case(**evaluation: object) -> UseCase:
    """The gates as the flights' YAML has them, with fewer resamples."""
    quick = quick_use_case()
    changes = {
        "gate": quick.gate.model_copy(update={"resamples": 1000}),
        "evaluation": quick.evaluation.model_copy(update=evaluation),
    }
    return quick.model_copy(update=changes)


def test_gate_admits_an_equal_challenger_at_the_stated_rate() -> None:
    """Champion and challenger are two unlike models that change places from day to day by a coin.
    No slices: they could only refuse more.
    """
    random, case, passed = np.random.default_rng(0), shipped_gate_case(slices=()), 0
    for place, day, rows in histories(500):
        changed = (random.random(day.max() + 1) < 0.5)[day]
        one, other = spring().quarter[place], spring().early[place]
        new, old = np.where(changed, other, one), np.where(changed, one, other)
        passed += (
            judge_predictions(
                case, rows, predictions_at_threshold(new), predictions_at_threshold(old)
            ).verdict
            == "pass"
        )
    assert passed <= 500 * (1 - case.gate.confidence), passed


def test_a_better_challenger_is_let_in_at_least_80_times_in_100() -> None:
    """The champion is the challenger, diluted with a model of ten days until the gain is GAIN."""
    case, passed = shipped_gate_case(), 0
    better, worse = spring().quarter, diluted(spring().quarter, spring().early)
    for place, _, rows in histories(100):
        passed += (
            judge_predictions(
                case,
                rows,
                predictions_at_threshold(better[place]),
                predictions_at_threshold(worse[place]),
            ).verdict
            == "pass"
        )
    assert passed >= 80, passed


def diluted(good: Floats, poor: Floats) -> Floats:
    """The mixture whose AUC over the whole spring is lower by GAIN, to a thousandth of it."""
    late, low, high = spring().late, 0.0, 1.0
    asked = roc_auc_score(late, good) - GAIN
    assert roc_auc_score(late, poor) < asked
    while high - low > 0.001:
        share = (low + high) / 2
        mixed = (1 - share) * good + share * poor
        low, high = (low, share) if roc_auc_score(late, mixed) < asked else (share, high)
    return (1 - high) * good + high * poor
