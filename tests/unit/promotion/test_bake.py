"""What a bake window says in numbers, and when it asks for a rollback."""

from dataclasses import asdict

import pytest

from configs.errors import Conflict
from tasks.evaluation.bootstrap import Difference
from tasks.ledger.evidence import GateEvidence
from tasks.ledger.log import Ledger
from tasks.ledger.projections import list_unanswered
from tasks.ledger.state import read_ledger_state
from tasks.promotion.bake import (
    BakeEvaluation,
    bake_measurements,
    record_rollback_request,
    rollback_request,
)
from tasks.promotion.gate import Decision
from tasks.rollout.state import BakeWindow
from tests.support.candidates import NAME, day, record, rollout_use_case

WINDOW = BakeWindow(version=2, previous=1, since=day(1), until=day(29))


def difference(subject, new, old, low, high):
    better = old - new if subject == "cost" else new - old
    return Difference(subject, new, old, better, low, high, 900, 7, 0.95)


def baked(verdict="fail", *found: Difference) -> BakeEvaluation:
    shown = {each.subject: each for each in found}
    evidence = GateEvidence(gates=[], differences=shown, rows=900, from_=day(1), to=day(8))
    return BakeEvaluation(WINDOW, Decision(verdict, "worse", evidence), 0.97)


@pytest.fixture
def book(tmp_path):
    """Version 2 is champion after 1, and bakes."""
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    record(book, "promoted", "decision:1", day(0), 1)
    until = day(29).isoformat()
    record(book, "promoted", "decision:2", day(1), 2, bake_until=until)
    return book


def bad(book, kind="bake", version=2):
    said = {"kind": kind, "cause": f"{kind}:roc_auc", "message": "it is worse"}
    return record(book, "episode_opened", f"episode:{kind}:x", day(8), version, **said)


def test_bake_measurements_compare_with_the_previous_champion():
    found = bake_measurements(
        rollout_use_case(margin=0.02, cost_margin=0.05, slice_margin=0.1),
        baked(
            "fail",
            difference("roc_auc", 0.65, 0.70, -0.08, -0.01),
            difference("cost", 0.44, 0.40, -0.05, 0.01),
            difference("calibration", 0.1, 0.0, -0.1, -0.1),
            difference("origin=JFK", 0.62, 0.70, -0.1, -0.02),
        ),
        day(8),
    )
    assert [(n.cause, n.value, n.reference, n.threshold, n.verdict) for n in found] == [
        ("bake:roc_auc", 0.65, 0.70, pytest.approx(0.68), "page"),
        ("bake:cost", 0.44, 0.40, pytest.approx(0.42), "ok"),
        ("bake:origin=JFK", 0.62, 0.70, pytest.approx(0.60), "ok"),
    ]
    assert {(n.window_start, n.window_end, n.rows, n.coverage) for n in found} == {
        (day(1), day(8), 900, 0.97)
    }


def test_too_little_known_is_no_number():
    waits = BakeEvaluation(WINDOW, Decision("wait", "few rows", GateEvidence(gates=[])), 0.2)
    assert bake_measurements(rollout_use_case(), waits, day(8)) == []


def test_rollback_request_follows_an_open_episode_once(book):
    bad(book)
    asked, waiting = record_rollback_request(book, NAME, baked(), day(8))
    assert (asked.what, asked.key, asked.version) == ("rollback_asked", "undo:2", 2)
    assert asked.evidence == {
        "promotion": "decision:2", "episode": "episode:bake:x",
        "reason": "worse; measured on the same 900 rows of both, 2013-04-02 to 2013-04-09",
        "gates": [], "differences": {}, "rows": 900,
        "from": day(1).isoformat(), "to": day(8).isoformat(),
    }  # fmt: skip
    assert waiting == [asked] == list_unanswered(book.entries(NAME))
    assert record_rollback_request(book, NAME, baked(), day(15)) == (asked, [asked])


def test_without_a_loss_or_with_other_episodes_nothing_is_asked(book):
    assert rollback_request(read_ledger_state(book, NAME), baked("pass"), day(8)) is None
    bad(book, kind="performance")
    assert rollback_request(read_ledger_state(book, NAME), baked(), day(8)) is None


def test_rows_of_now_that_show_no_loss_ask_for_no_rollback(book):
    bad(book)
    waits = BakeEvaluation(WINDOW, Decision("wait", "few rows", GateEvidence(gates=[])), 0.2)
    state = read_ledger_state(book, NAME)
    assert rollback_request(state, baked("pass"), day(8)) is None
    assert rollback_request(state, waits, day(8)).evidence["reason"] == "it is worse"


def test_rollback_request_ignores_the_previous_bake(book):
    bad(book)
    record(book, "promoted", "decision:3", day(9), 3)
    assert rollback_request(read_ledger_state(book, NAME), None, day(9)) is None
    record(book, "rolled_back", "rollback:4", day(10), 2, loser=3, promotion="decision:3")
    assert rollback_request(read_ledger_state(book, NAME), None, day(10)) is None


def test_an_episode_that_was_found_before_a_kill_still_asks(book):
    bad(book)
    assert (
        rollback_request(read_ledger_state(book, NAME), None, day(8)).evidence["reason"]
        == "it is worse"
    )


def test_rollback_request_conflicts_with_a_promotion(book, monkeypatch):
    bad(book)
    seen = Ledger.entries

    def slow(self, model=None):
        found = seen(self, model)
        monkeypatch.setattr(Ledger, "entries", seen)
        record(book, "promoted", "decision:3", day(8), 3)
        return found

    monkeypatch.setattr(Ledger, "entries", slow)
    with pytest.raises(Conflict):
        record_rollback_request(book, NAME, baked(), day(8))


def test_a_rollback_says_how_large_and_how_certain_the_loss_is(book):
    bad(book)
    losses = (
        difference("roc_auc", 0.65, 0.70, -0.08, -0.01),
        difference("cost", 0.44, 0.40, -0.05, 0.01),
    )
    gain = difference("roc_auc", 0.73, 0.70, 0.01, 0.05)
    evidence = {"differences": {"roc_auc": asdict(gain)}, "to": day(1).isoformat()}
    record(book, "promoted", "decision:3", day(2), 3, **evidence)
    record(book, "episode_opened", "episode:bake:y", day(8), 3, kind="bake", cause="bake:roc_auc")
    asked = rollback_request(read_ledger_state(book, NAME), baked("fail", *losses), day(8))
    assert asked.evidence["reason"] == (
        "worse; roc_auc lost 0.0500, at least 0.0100 with 97.5% confidence; measured on the same "
        f"900 rows of both, {day(1):%Y-%m-%d} to {day(8):%Y-%m-%d}; before the promotion "
        f"until {day(1):%Y-%m-%d}: roc_auc improvement +0.0300 [+0.0100, +0.0500]"
    )
