"""The state of a candidate as its ledger has it."""

import pytest

from configs.errors import Terminal
from tasks.ledger.projections import find_decision
from tasks.ledger.state import read_ledger_state
from tasks.promotion.candidate_state import read_candidate_state
from tests.support.candidates import NAME, day, record, record_registered, rollout_use_case

CASE = rollout_use_case()


def test_read_candidate_state_is_never_before_the_champion(book):
    record_registered(book, 2, day(1))
    champion = record(book, "promoted", "decision:1", day(5), 1)
    state = read_candidate_state(CASE, read_ledger_state(book, NAME), 2, day(3))
    assert (state.at, state.champion, state.decision) == (day(5), champion, None)
    assert state.registered.version == 2
    assert read_candidate_state(CASE, read_ledger_state(book, NAME), 2, None).at == day(5)
    assert read_candidate_state(CASE, read_ledger_state(book, NAME), 2, day(9)).at == day(9)


def test_read_candidate_state_refuses_an_unknown_version(book):
    with pytest.raises(Terminal, match="version 7"):
        read_candidate_state(CASE, read_ledger_state(book, NAME), 7, None)


def test_find_decision_is_the_last_one_of_a_version(book):
    record(book, "refused", "decision:2", day(1), 2)
    last = record(book, "promoted", "hand:2", day(2), 2)
    record(book, "refused", "decision:3", day(3), 3)
    assert find_decision(book.entries(NAME), 2) == last
    assert find_decision(book.entries(NAME), 4) is None
