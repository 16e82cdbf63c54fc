"""The state of a ledger, folded from its entries."""

from datetime import timedelta

from tasks.ledger.state import fold_ledger, read_ledger_state
from tests.support.ledger_entries import START, entry, numbered

ENTRIES = numbered(
    entry("promoted", "decision:1", 1),
    entry("candidate_registered", "candidate:a", 2, day=1),
    entry("episode_opened", "episode:a", 1, day=2),
    entry("promoted", "decision:3", 3, day=4),
)


def test_ledger_state_names_champion_episodes_and_requests():
    state = fold_ledger(ENTRIES)
    assert (state.seq, state.champion_version) == (4, 3)
    assert [e.key for e in state.standing_promotions] == ["decision:1", "decision:3"]
    assert [e.key for e in state.open_episodes] == ["episode:a"]
    assert [e.key for e in state.list_requests("candidate_registered")] == ["candidate:a"]
    assert state.list_requests("alert_raised") == []
    assert [e.version for e in state.undecided_candidates] == [2]


def test_ledger_state_at_a_moment_includes_that_moment():
    state = fold_ledger(ENTRIES)
    assert state.at(START + timedelta(days=4)).champion_version == 3
    assert state.at(START + timedelta(days=3)).champion_version == 1
    assert state.at(START - timedelta(days=1)).champion is None


def test_read_ledger_state_has_the_entries_of_one_model(book):
    book.record(entry("promoted", "decision:1", 1))
    book.record(entry("promoted", "decision:2", 2, model="other"))
    assert read_ledger_state(book, "m").champion_version == 1
