"""Claims of retraining alerts: one run trains for an alert, and a dead run loses its claim."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from configs.errors import Terminal
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from tasks.ledger.log import Ledger
from tasks.training.retrain_claim import claim_retrain
from tests.support.ledger_entries import RAISED, flights_entry


@pytest.fixture
def case() -> UseCase:
    return load_use_case("flights")


def alive(run: str) -> bool:
    return run != "dead"


def test_the_first_run_claims_an_alert_and_finds_its_claim_again(
    book: Ledger, case: UseCase
) -> None:
    book.record(flights_entry("alert_raised", "alert:a"))
    for _ in range(2):
        assert claim_retrain(book, case, "alert:a", "one", alive).verdict == "train"
    started = [e for e in book.entries("flights") if e.what == "retrain_started"]
    assert [(e.key, e.at) for e in started] == [("retrain:alert:a", RAISED)]


def test_of_many_runs_at_once_one_claims_an_alert(book: Ledger, case: UseCase) -> None:
    book.record(flights_entry("alert_raised", "alert:a"))
    with ThreadPoolExecutor(6) as pool:
        made = pool.map(lambda run: claim_retrain(book, case, "alert:a", run, alive), "abcdef")
    assert sorted(each.verdict for each in made) == ["busy"] * 5 + ["train"]


def test_the_claim_of_a_run_that_died_is_taken_over(book: Ledger, case: UseCase) -> None:
    book.record(flights_entry("alert_raised", "alert:a"))
    claim_retrain(book, case, "alert:a", "dead", alive)
    assert claim_retrain(book, case, "alert:a", "next", alive).verdict == "train"


def test_an_answered_alert_is_answered(book: Ledger, case: UseCase) -> None:
    book.record(flights_entry("alert_raised", "alert:a"))
    book.record(flights_entry("candidate_registered", "candidate:alert:a", version=7))
    made = claim_retrain(book, case, "alert:a", "one", alive)
    assert (made.verdict, made.version) == ("answered", 7)


def test_within_the_cooldown_the_earlier_alert_answers_for_both(
    book: Ledger, case: UseCase
) -> None:
    soon = RAISED + case.retrain.cooldown - timedelta(days=1)
    book.record(flights_entry("alert_raised", "alert:a"))
    book.record(flights_entry("alert_raised", "alert:b", soon))
    claim_retrain(book, case, "alert:a", "one", alive)
    assert claim_retrain(book, case, "alert:b", "two", alive).verdict == "busy"
    book.record(flights_entry("candidate_registered", "candidate:alert:a", version=7))
    made = claim_retrain(book, case, "alert:b", "two", alive)
    assert (made.verdict, made.version) == ("covered", 7)


def test_after_the_cooldown_an_alert_is_trained_for(book: Ledger, case: UseCase) -> None:
    book.record(flights_entry("alert_raised", "alert:a"))
    book.record(flights_entry("alert_raised", "alert:b", RAISED + case.retrain.cooldown))
    claim_retrain(book, case, "alert:a", "one", alive)
    assert claim_retrain(book, case, "alert:b", "two", alive).verdict == "train"


def test_an_alert_that_is_not_in_the_ledger_is_refused(book: Ledger, case: UseCase) -> None:
    with pytest.raises(Terminal, match="alert 'alert:x' not found"):
        claim_retrain(book, case, "alert:x", "one", alive)
