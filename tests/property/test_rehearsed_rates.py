"""The rates of a rehearsal of real flights keep to their bounds: a short form for each change.

False alarms and promotions of equal models are at most as frequent as stated, and each planted
fault of an input is found in 80% of the histories.
"""

from __future__ import annotations

import pytest

from tasks.rehearsal.rates import MeasuredRate
from tasks.rehearsal.run import Rehearsal, RehearsalPlan, rehearse_policy
from tests.support.judged_days import judged_days

pytestmark = pytest.mark.system
TOLERANCE = 1.2


@pytest.fixture(scope="module")
def rehearsal() -> Rehearsal:
    plan = RehearsalPlan(histories=60, gains=(0.05,), losses=(0.05,))
    return rehearse_policy(judged_days(), None, plan, lambda *_: None)


def find_rate(rates: tuple[MeasuredRate, ...], part: str) -> MeasuredRate:
    return next(rate for rate in rates if part in rate.subject)


def test_stated_rates_hold_in_clean_histories(rehearsal: Rehearsal) -> None:
    stated = [rate for rate in (*rehearsal.alarms, *rehearsal.gate) if rate.stated is not None]
    beyond = [rate for rate in stated if rate.low > TOLERANCE * (rate.stated or 0)]
    assert beyond == []
    assert {rate.subject for rate in stated} == {
        "episodes drift", "episodes performance:roc_auc_2w", "promoted: an equal model",
    }  # fmt: skip


def test_a_better_model_is_promoted_and_a_worse_one_found(rehearsal: Rehearsal) -> None:
    """Measured: 77% promoted, and 48% rolled back within a bake window of two weeks.

    All looks, slices and metrics of the window share one error rate, which costs that power.
    """
    assert find_rate(rehearsal.gate, "better by 0.05").rate >= 0.65
    assert find_rate(rehearsal.rollbacks, "worse by 0.05").rate >= 0.3
    assert find_rate(rehearsal.rollbacks, "an equal model").rate <= 0.1
    assert find_rate(rehearsal.detection, "loss of 0.05 of roc_auc").rate >= 0.75


def test_planted_faults_are_found_in_four_of_five_histories(rehearsal: Rehearsal) -> None:
    inputs = [rate for rate in rehearsal.detection if "loss of" not in rate.subject]
    assert [rate.subject for rate in inputs if rate.rate < 0.8] == []
    assert (len(inputs), len(rehearsal.detection)) == (6, 8)
