"""The state of a ledger: the folds of its entries, of old entries as they always were."""

from datetime import UTC, datetime

from tasks.ledger import projections
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import rolled_back_until
from tasks.ledger.state import fold_ledger, read_ledger_state
from tasks.rollout.routing import list_routes
from tests.support.candidates import START, day
from tests.support.ledger_entries import entry, numbered


def flights(entries: list[Entry]) -> list[Entry]:
    return [e for e in entries if e.model == "flights"]


def test_an_old_ledger_comes_to_what_it_came_to_before(old_entries: list[Entry]) -> None:
    ledger = fold_ledger(flights(old_entries))
    assert ledger.champion is not None
    assert (ledger.champion.key, ledger.champion_version, ledger.seq) == ("rollback:28", 1, 43)
    assert [e.key for e in ledger.open_episodes] == ["episode:bake:cost:2013-04-29"]
    assert ledger.unanswered == ledger.undecided_candidates == ()
    assert [e.key for e in ledger.standing_promotions] == ["decision:1"]
    undone = rolled_back_until(ledger.entries, f"{2:064x}")
    assert undone == datetime(2013, 4, 20, 12, tzinfo=UTC)


def test_an_old_ledger_has_the_routes_that_it_had_before(old_entries: list[Entry]) -> None:
    routes = list_routes(flights(old_entries), day(0), day(90))
    assert [
        ((r.start - START).days, r.champion, r.challenger, r.share, r.previous) for r in routes
    ] == [
        (0, 1, None, 0.0, None), (10, 1, 2, 0.1, None), (17, 1, 2, 0.5, None),
        (24, 2, None, 0.0, 1), (28, 1, None, 0.0, None), (44, 1, 5, 0.3, None),
        (60, 1, None, 0.0, None), (61, 6, None, 0.0, 1), (62, 1, None, 0.0, None),
    ]  # fmt: skip


def test_the_state_at_a_moment_leaves_later_entries_out(old_entries: list[Entry]) -> None:
    ledger = fold_ledger(flights(old_entries))
    for moment in (day(0), day(8), day(24), day(27), day(61), day(90)):
        past = [e for e in ledger.entries if e.at <= moment]
        state = ledger.at(moment)
        assert [*state.entries] == past
        assert state.champion == projections.find_champion(past)
        assert [*state.unanswered] == projections.list_unanswered(past)
        assert [*state.undecided_candidates] == projections.list_undecided_candidates(past)


def test_a_part_is_folded_once(monkeypatch) -> None:
    calls, fold = [], projections.find_champion
    monkeypatch.setattr(projections, "find_champion", lambda e: calls.append(e) or fold(e))
    ledger = fold_ledger([entry("promoted", "decision:1", 1)])
    assert ledger.champion_version == ledger.champion_version == 1
    assert len(calls) == 1


def test_read_ledger_state_reads_one_model(book: Ledger) -> None:
    book.record(entry("promoted", "decision:1", 1))
    book.record(entry("alert_raised", "alert:a"))
    book.record(entry("promoted", "decision:1", 1, model="other"))
    ledger = read_ledger_state(book, "m")
    assert ledger.seq == 2
    assert [e.key for e in ledger.list_requests("alert_raised")] == ["alert:a"]
    assert ledger.list_requests("rollback_asked") == []


def test_an_empty_ledger_has_no_champion() -> None:
    assert fold_ledger([]).champion_version is None


FOUR = numbered(
    entry("promoted", "decision:1", 1),
    entry("candidate_registered", "candidate:a", 2, day=1),
    entry("episode_opened", "episode:a", 1, day=2),
    entry("promoted", "decision:3", 3, day=4),
)


def test_ledger_state_names_champion_episodes_and_requests() -> None:
    state = fold_ledger(FOUR)
    assert (state.seq, state.champion_version) == (4, 3)
    assert [e.key for e in state.standing_promotions] == ["decision:1", "decision:3"]
    assert [e.key for e in state.open_episodes] == ["episode:a"]
    assert [e.key for e in state.list_requests("candidate_registered")] == ["candidate:a"]
    assert [e.version for e in state.undecided_candidates] == [2]


def test_ledger_state_at_a_moment_includes_that_moment() -> None:
    state = fold_ledger(FOUR)
    assert state.at(day(4)).champion_version == 3
    assert state.at(day(3)).champion_version == 1
    assert state.at(day(-1)).champion is None
