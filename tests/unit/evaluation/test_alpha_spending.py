"""Looks of the gate: when they are due, and what they spend of the error rate together."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.alpha_spending import (
    next_look_time,
    plan_gate_look,
    spend_elapsed_time,
    spent_share,
)

SINCE = datetime(2024, 3, 1, tzinfo=UTC)
PATIENCE = timedelta(days=90)
SECOND = timedelta(seconds=1)


def look_on(day: float, last: int = 0, planned: int = 4):
    return plan_gate_look(planned, PATIENCE, SINCE, SINCE + timedelta(days=day), last)


@given(st.integers(1, 10), st.lists(st.floats(0, 200), max_size=12))
def test_all_looks_together_spend_at_most_the_error_rate(planned, days):
    spent, last = 0.0, 0
    for day in sorted(days):
        look = look_on(day, last, planned)
        if look is None:
            continue
        assert look.share > 0
        assert look.number > last
        spent, last = spent + look.share, look.number
        assert look.final == (look.number == planned)
    assert spent <= 1 + 1e-12
    assert last < planned or spent == pytest.approx(1)


def test_looks_of_four_in_ninety_days():
    assert [round(look_on(day).share, 4) for day in (0, 30, 60, 90)] == [0.5, 0.6667, 0.8333, 1.0]
    assert [look_on(day, 1).number for day in (30, 60, 90, 400)] == [2, 3, 4, 4]
    assert look_on(30, 1).share == pytest.approx(1 / 6)


@pytest.mark.parametrize(("last", "day"), [(1, 30), (2, 60), (3, 90)])
def test_a_look_is_due_from_its_time_on(last, day):
    before, at = SINCE + timedelta(days=day) - SECOND, SINCE + timedelta(days=day)
    assert plan_gate_look(4, PATIENCE, SINCE, before, last) is None
    assert plan_gate_look(4, PATIENCE, SINCE, at, last).number == last + 1
    assert next_look_time(4, PATIENCE, SINCE, last) == at


def test_following_is_the_time_of_the_next_look():
    assert look_on(0).following == SINCE + timedelta(days=30)
    assert look_on(31, 1).following == SINCE + timedelta(days=60)
    assert look_on(90, 3).following is None
    assert look_on(200, 3).final


def test_one_look_spends_everything_at_once():
    look = look_on(0, planned=1)
    assert (look.number, look.share, look.final) == (1, 1.0, True)
    assert look_on(0, 1, 1) is None
    assert next_look_time(1, PATIENCE, SINCE, 1) is None
    assert next_look_time(1, PATIENCE, SINCE, 0) == SINCE


def test_without_patience_the_first_look_is_the_last():
    assert plan_gate_look(4, timedelta(0), SINCE, SINCE, 0).final


def test_no_look_is_due_after_the_last_one():
    assert look_on(500, 4) is None
    assert next_look_time(4, PATIENCE, SINCE, 4) is None


@pytest.mark.parametrize("planned", [1, 2, 5, 10])
def test_spent_shares_rise_to_1(planned):
    shares = [spent_share(number, planned) for number in range(planned + 2)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == shares[-2] == 1
    assert planned == 1 or shares[1] == 0.5


def test_an_equal_challenger_passes_at_most_at_the_stated_rate_over_all_looks():
    """Means of normal values, looked at after 21, 51, 81 and 111 days; 95%, two-sided."""
    from scipy.stats import t

    gains, last = np.random.default_rng(0).normal(size=(20_000, 111)), 0
    passed = np.zeros(len(gains), dtype=bool)
    for day in (0, 30, 60, 90):
        look, seen = look_on(day, last), gains[:, : 21 + day]
        ratio = seen.mean(axis=1) / seen.std(axis=1, ddof=1) * seen.shape[1] ** 0.5
        passed |= ratio > t.ppf(1 - 0.025 * look.share, seen.shape[1] - 1)
        last = look.number
    assert passed.mean() <= 0.025 + 0.002
    assert passed.mean() > 0.018  # the looks are not so cautious that they show nothing


def test_of_two_looks_the_second_is_at_the_end_of_the_patience():
    assert look_on(0, planned=2).following == SINCE + PATIENCE
    assert look_on(89, 1, planned=2) is None
    assert (look_on(90, 1, planned=2).share, look_on(90, 1, planned=2).final) == (0.5, True)
    assert next_look_time(2, PATIENCE, SINCE, 1) == SINCE + PATIENCE


@given(st.lists(st.floats(0, 40), max_size=40, unique=True))
def test_looks_of_a_bake_window_spend_the_time_between_them(days):
    """Runs of any rhythm, also beyond the end, spend the time up to the last one, and no more."""
    until, last, spent = SINCE + timedelta(days=28), SINCE, 0.0
    for day in sorted(days):
        at = SINCE + timedelta(days=day)
        if last < at <= until:
            spent += spend_elapsed_time(SINCE, last, at, until)
            last = at
    assert spent == pytest.approx(((last - SINCE) / (until - SINCE)) ** 0.5)
    assert spend_elapsed_time(SINCE, SINCE - SECOND, until + SECOND, until) == 1
