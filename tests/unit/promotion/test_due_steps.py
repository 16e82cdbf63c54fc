"""When the monitor asks for a candidate's next step, and when it does not."""

import pytest

from configs.schema.promotion import Direct
from tasks.ledger.log import Ledger
from tasks.ledger.state import read_ledger_state
from tasks.promotion.due_steps import find_due_steps
from tasks.promotion.stage_review import review_stage
from tests.support.candidates import (
    NAME,
    day,
    never,
    record,
    record_registered,
    rollout_use_case,
    says,
    step,
)

DIRECT = rollout_use_case(Direct())


@pytest.fixture
def book(tmp_path):
    """A champion of version 1, and version 2, which the gate has deferred on day 1."""
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    record(book, "promoted", "decision:1", day(0), 1)
    record_registered(book, 2, day(1))
    step(book, DIRECT, 2, gate=says("wait", "too few rows"))
    return book


def due(book, at, gate=never, look=never, case=DIRECT):
    found = find_due_steps(case, read_ledger_state(book, NAME), day(at), gate, look)
    for entry in found:
        book.record(entry)
    return [(e.key, e.evidence["reason"]) for e in found]


def test_find_due_steps_of_a_deferred_candidate_needs_rows(book):
    assert due(book, 8, says("wait")) == []
    assert due(book, 15, says("pass", "1200 fresh labelled rows")) == [
        ("step:2:2013-04-16", "1200 fresh labelled rows")
    ]


def test_on_the_day_that_it_was_deferred_nothing_is_asked(book):
    assert due(book, 1) == []


def test_find_due_steps_requests_a_step_once(book):
    assert due(book, 8, says("pass"))
    assert due(book, 9) == []
    step(book, DIRECT, 2, gate=says("wait"))
    assert due(book, 9, says("pass"))


def test_when_patience_is_over_it_is_asked_for_whatever_there_is(book):
    ((key, reason),) = due(book, 31, says("wait", "too few rows"))
    assert key == "step:2:2013-05-02"
    assert reason == "not accepted within 30d: too few rows"


def test_a_new_candidate_has_its_own_event(book):
    record_registered(book, 3, day(7))
    assert due(book, 8, says("wait")) == []


def test_what_is_decided_is_left_alone(book):
    step(book, DIRECT, 2, day(2), gate=says("fail"))
    assert due(book, 40) == []


def test_find_due_steps_after_another_rollout_ended(book):
    case = rollout_use_case()
    step(book, case, 2, day(2), gate=says("pass"))
    record_registered(book, 3, day(3))
    step(book, case, 3)
    assert due(book, 4, never, says("wait"), case) == []
    step(book, case, 2, day(9), look=says("fail"))
    assert [key for key, _ in due(book, 10, says("pass"), never, case)] == ["step:3:2013-04-11"]


@pytest.mark.parametrize(("verdict", "count"), [("wait", 0), ("pass", 1), ("fail", 1)])
def test_a_stage_is_asked_for_when_its_review_has_an_answer(book, verdict, count):
    step(book, rollout_use_case(), 2, day(2), gate=says("pass"))
    assert len(due(book, 9, never, says(verdict), rollout_use_case())) == count


def test_a_roll_out_whose_champion_was_rolled_back_is_asked_for(book):
    record(book, "promoted", "hand:7", day(2), 7)
    step(book, rollout_use_case(), 2, day(3), gate=says("pass"))
    record(book, "rolled_back", "rollback:5", day(4), 1, loser=7, promotion="hand:7", reason="-")
    ((_, reason),) = due(book, 5, never, review_stage, rollout_use_case())
    assert "champion changed" in reason


def test_find_due_steps_of_an_approval_out_of_patience(book):
    case = rollout_use_case(Direct(), approval="manual")
    step(book, case, 2, day(2), gate=says("pass"))
    assert due(book, 20, case=case) == []
    assert [reason for _, reason in due(book, 32, case=case)] == ["not approved within 30d"]
