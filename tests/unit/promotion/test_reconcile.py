from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from configs.errors import Terminal
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry, EntryKind, Ledger
from tasks.orchestration.flow_runs import FlowRun
from tasks.promotion.reconcile import answering_flow, find_overdue
from tasks.training.retrain_claim import claim_retrain

RAISED = datetime(2013, 5, 6, tzinfo=UTC)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def case() -> UseCase:
    return load_use_case("flights")


def entry(what: EntryKind, key: str, at: datetime = RAISED, version: int | None = None) -> Entry:
    return Entry("flights", what, key, at, "test", version)


def alive(run: str) -> bool:
    return run != "dead"


def test_the_first_run_claims_an_alert_and_finds_its_claim_again(
    book: Ledger, case: UseCase
) -> None:
    book.record(entry("alert_raised", "alert:a"))
    for _ in range(2):
        assert claim_retrain(book, case, "alert:a", "one", alive).verdict == "train"
    started = [e for e in book.entries("flights") if e.what == "retrain_started"]
    assert [(e.key, e.at) for e in started] == [("retrain:alert:a", RAISED)]


def test_of_many_runs_at_once_one_claims_an_alert(book: Ledger, case: UseCase) -> None:
    book.record(entry("alert_raised", "alert:a"))
    with ThreadPoolExecutor(6) as pool:
        made = pool.map(lambda run: claim_retrain(book, case, "alert:a", run, alive), "abcdef")
    assert sorted(each.verdict for each in made) == ["busy"] * 5 + ["train"]


def test_the_claim_of_a_run_that_died_is_taken_over(book: Ledger, case: UseCase) -> None:
    book.record(entry("alert_raised", "alert:a"))
    claim_retrain(book, case, "alert:a", "dead", alive)
    assert claim_retrain(book, case, "alert:a", "next", alive).verdict == "train"


def test_an_answered_alert_is_answered(book: Ledger, case: UseCase) -> None:
    book.record(entry("alert_raised", "alert:a"))
    book.record(entry("candidate_registered", "candidate:alert:a", version=7))
    made = claim_retrain(book, case, "alert:a", "one", alive)
    assert (made.verdict, made.version) == ("answered", 7)


def test_within_the_cooldown_the_earlier_alert_answers_for_both(
    book: Ledger, case: UseCase
) -> None:
    soon = RAISED + case.retrain.cooldown - timedelta(days=1)
    book.record(entry("alert_raised", "alert:a"))
    book.record(entry("alert_raised", "alert:b", soon))
    claim_retrain(book, case, "alert:a", "one", alive)
    assert claim_retrain(book, case, "alert:b", "two", alive).verdict == "busy"
    book.record(entry("candidate_registered", "candidate:alert:a", version=7))
    made = claim_retrain(book, case, "alert:b", "two", alive)
    assert (made.verdict, made.version) == ("covered", 7)


def test_after_the_cooldown_an_alert_is_trained_for(book: Ledger, case: UseCase) -> None:
    book.record(entry("alert_raised", "alert:a"))
    book.record(entry("alert_raised", "alert:b", RAISED + case.retrain.cooldown))
    claim_retrain(book, case, "alert:a", "one", alive)
    assert claim_retrain(book, case, "alert:b", "two", alive).verdict == "train"


def test_an_alert_that_is_not_in_the_ledger_is_refused(book: Ledger, case: UseCase) -> None:
    with pytest.raises(Terminal, match="no alert 'alert:x'"):
        claim_retrain(book, case, "alert:x", "one", alive)


def run(ended: timedelta | None, **parameters: object) -> FlowRun:
    return FlowRun("run", parameters, None if ended is None else NOW - ended)


@pytest.mark.parametrize(
    ("runs", "is_overdue"),
    [
        ([], True),
        ([run(None, alert="alert:a")], False),
        ([run(None, alert="alert:other")], True),
        ([run(timedelta(minutes=4), alert="alert:a")], False),
        ([run(timedelta(minutes=5), alert="alert:a")], True),
        ([run(timedelta(minutes=6), alert="alert:a")] * 2, False),
        ([run(timedelta(minutes=10), alert="alert:a")] * 2, True),
        ([run(timedelta(hours=23), alert="alert:a")] * 50, False),
        ([run(timedelta(hours=24), alert="alert:a")] * 50, True),
    ],
)
def test_an_alert_is_asked_for_again_less_often_the_more_it_failed(
    runs: list[FlowRun], is_overdue: bool
) -> None:
    waiting = [entry("alert_raised", "alert:a")]
    assert find_overdue(waiting, runs, NOW) == (waiting if is_overdue else [])


def test_a_candidate_is_known_by_its_version() -> None:
    waiting = [entry("candidate_registered", "candidate:a", version=3)]
    assert find_overdue(waiting, [run(None, version=3)], NOW) == []
    assert find_overdue(waiting, [run(None, version=4)], NOW) == waiting


def test_a_step_is_one_of_several_of_its_version_known_by_its_moment() -> None:
    waiting = [entry("step_asked", "step:3:x", RAISED, 3)]
    then, before = RAISED.isoformat(), (RAISED - timedelta(days=7)).isoformat()
    assert find_overdue(waiting, [run(None, version=3, as_of=then)], NOW) == []
    assert find_overdue(waiting, [run(None, version=3, as_of=before)], NOW) == waiting
    assert find_overdue(waiting, [run(None, version=3)], NOW) == waiting


def test_a_rollback_is_known_by_its_promotion() -> None:
    asked = Entry("flights", "rollback_asked", "undo:2", RAISED, "test", 3, {"promotion": "hand:3"})
    assert find_overdue([asked], [run(None, promotion="hand:3")], NOW) == []
    assert find_overdue([asked], [run(None, promotion="decision:4")], NOW) == [asked]


def test_a_suspended_run_is_at_its_candidate_but_not_at_the_answer_it_waits_for() -> None:
    waits = FlowRun("run", {"version": 3}, None, suspended=True)
    candidate = entry("candidate_registered", "candidate:a", version=3)
    answer = entry("approved", "approval:3", version=3)
    assert find_overdue([candidate, answer], [waits], NOW) == [answer]


@pytest.mark.parametrize(
    ("what", "flow"),
    [
        ("alert_raised", "retrain"), ("candidate_registered", "promote"),
        ("step_asked", "promote"), ("approved", "promote"), ("rejected", "promote"),
        ("rollback_asked", "rollback"),
    ],
)  # fmt: skip
def test_every_ask_has_a_flow_that_answers_it(what: EntryKind, flow: str) -> None:
    assert answering_flow(entry(what, "key")) == flow
