"""Episodes open, go on and close; one alert at a time, after a cooldown, never on broken data."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.schema.loading import load_use_case
from tasks.ledger.evidence import CandidateRegistered
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import list_open_episodes, list_unclaimed_alerts
from tasks.monitoring.measurements import (
    Measurement,
    MeasurementKind,
    MeasurementVerdict,
    build_measurement_rows,
)
from tasks.monitoring.retrain_alerts import record_changes

FLIGHTS = load_use_case("flights")
MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
WEEK = timedelta(days=7)
AUC, CARRIER, ROWS = "performance:roc_auc_5w", "drift:carrier", "contract:rows:arrivals"
BAKE = "bake:cost"


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    """A ledger whose first champion, version 1, reigns since long ago."""
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    record_flights_entry(book, "promoted", "decision:1", MONDAY - 20 * WEEK, 1)
    return book


def record_flights_entry(
    book: Ledger, what: str, key: str, at: datetime, version: int | None = None
) -> None:
    book.record(Entry("flights", what, key, at, "test", version))  # type: ignore[arg-type]


def cause_rows(
    at: datetime, version: int = 1, **verdicts: MeasurementVerdict | None
) -> pl.DataFrame:
    """Monitoring rows of `at`: the causes by a short name."""
    names = {"auc": AUC, "carrier": CARRIER, "rows": ROWS, "bake": BAKE}
    numbers = []
    for short, verdict in verdicts.items():
        kind, _, subject = names[short].partition(":")
        known: MeasurementKind = kind  # type: ignore[assignment]
        numbers.append(Measurement(known, subject, at - WEEK, at, 0.6, 0.7, 0.65, 1.0, 9, verdict))
    return build_measurement_rows(numbers, at, version)


def record_verdicts(
    book: Ledger, at: datetime, version: int = 1, **verdicts: MeasurementVerdict | None
) -> list[str]:
    found = record_changes(book, FLIGHTS, cause_rows(at, version, **verdicts), at)
    return [entry.what for entry in found]


def alerts(book: Ledger) -> list[Entry]:
    return [e for e in book.entries("flights") if e.what == "alert_raised"]


def retrain_and_decide(book: Ledger, at: datetime, version: int, decision: str) -> None:
    """A retraining begins, registers a version, and it is decided on."""
    alert = alerts(book)[-1].key
    record_flights_entry(book, "retrain_started", f"retrain:{alert}", at)
    record_flights_entry(book, "candidate_registered", f"candidate:{alert}", at, version)
    record_flights_entry(book, decision, f"decision:{version}", at, version)


def test_a_page_opens_an_episode_and_raises_an_alert(book: Ledger) -> None:
    assert record_verdicts(book, MONDAY, auc="page") == ["episode_opened", "alert_raised"]
    opened, raised = book.entries("flights")[1:]
    assert opened.key == "episode:performance:roc_auc_5w:2024-03-04"
    assert raised.key == f"alert:{opened.key}:2024-03-04"
    assert opened.evidence["value"] == 0.6
    assert opened.evidence["message"] in raised.evidence["message"]


def test_the_text_of_an_alert_is_of_now_not_of_the_opening(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page", rows="page")  # broken data delay the alert
    later = cause_rows(MONDAY + WEEK, auc="page").with_columns(value=pl.lit(0.51))
    record_changes(book, FLIGHTS, later, MONDAY + WEEK)
    fixed = cause_rows(MONDAY + 2 * WEEK, auc="page", rows="ok").with_columns(value=pl.lit(0.42))
    record_changes(book, FLIGHTS, fixed, MONDAY + 2 * WEEK)
    (alert,) = alerts(book)
    assert "is 0.42" in alert.evidence["message"]
    assert "0.6" not in alert.evidence["message"].partition("limit")[0]


@pytest.mark.parametrize(("origin", "expected"), [("train:2024-03-03", 0), ("other", 1)])
def test_a_scheduled_training_starts_the_cooldown(book: Ledger, origin: str, expected: int) -> None:
    for version, (started, at) in enumerate(
        (("train:2023-10-01", MONDAY - 20 * WEEK), (origin, MONDAY - timedelta(days=1))), start=1
    ):
        evidence = CandidateRegistered(origin=origin if version == 2 else started).to_json()
        key = f"candidate:{started}"
        book.record(Entry("flights", "candidate_registered", key, at, "t", version, evidence))
    record_flights_entry(book, "refused", "decision:2", MONDAY - timedelta(hours=5), 2)
    record_verdicts(book, MONDAY, auc="page")
    assert len(alerts(book)) == expected


def test_running_again_records_nothing(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page", rows="ok")
    before = book.entries("flights")
    assert record_verdicts(book, MONDAY, auc="page", rows="ok") == []
    assert book.entries("flights") == before


@pytest.mark.parametrize("verdict", ["ok", "inform", None])
def test_nothing_else_opens_one(book: Ledger, verdict: MeasurementVerdict | None) -> None:
    assert record_verdicts(book, MONDAY, auc=verdict) == []


def test_the_same_cause_still_bad_is_one_episode_and_one_alert(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page")
    assert record_verdicts(book, MONDAY + WEEK, auc="page") == []
    assert record_verdicts(book, MONDAY + 2 * WEEK, auc="page") == []
    assert len(alerts(book)) == 1


def test_record_changes_closes_an_episode_and_opens_another(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page")
    assert record_verdicts(book, MONDAY + WEEK, auc="ok") == ["episode_closed"]
    assert list_open_episodes(book.entries("flights")) == []
    assert record_verdicts(book, MONDAY + 2 * WEEK, auc="page") == [
        "episode_opened"
    ]  # the alert still waits


def test_a_window_without_a_verdict_closes_nothing(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page")
    assert record_verdicts(book, MONDAY + WEEK, auc=None) == []
    assert record_verdicts(book, MONDAY + 2 * WEEK) == []
    assert len(list_open_episodes(book.entries("flights"))) == 1


def test_two_causes_are_two_episodes_and_one_alert(book: Ledger) -> None:
    found = record_verdicts(book, MONDAY, auc="page", carrier="page")
    assert found == ["episode_opened", "episode_opened", "alert_raised"]
    assert set(alerts(book)[0].evidence["causes"]) == {AUC, CARRIER}


def test_refused_and_still_bad_asks_again_after_the_cooldown(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page")
    retrain_and_decide(book, MONDAY, 2, "refused")
    cooldown = FLIGHTS.retrain.cooldown
    assert record_verdicts(book, MONDAY + cooldown - timedelta(hours=1), auc="page") == []
    assert record_verdicts(book, MONDAY + cooldown, auc="page") == ["alert_raised"]
    assert len({entry.key for entry in alerts(book)}) == 2


def test_find_due_alert_waits_for_an_undecided_candidate(book: Ledger) -> None:
    record_flights_entry(
        book, "candidate_registered", "candidate:train:2024-03-01", MONDAY - WEEK, 2
    )
    assert record_verdicts(book, MONDAY, auc="page") == ["episode_opened"]
    record_flights_entry(book, "refused", "decision:2", MONDAY, 2)
    assert record_verdicts(book, MONDAY + WEEK, auc="page") == ["alert_raised"]


def test_a_new_champion_closes_what_was_open_before(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page", carrier="page")
    retrain_and_decide(book, MONDAY, 2, "promoted")
    assert record_verdicts(book, MONDAY + WEEK, version=2, auc=None) == [
        "episode_closed",
        "episode_closed",
    ]
    reasons = {e.evidence.get("reason") for e in book.entries("flights")}
    assert "version 2 took over" in reasons


def test_bad_under_the_new_champion_too_is_a_new_episode(book: Ledger) -> None:
    record_verdicts(book, MONDAY, carrier="page")
    retrain_and_decide(book, MONDAY, 2, "promoted")
    later = MONDAY + FLIGHTS.retrain.cooldown
    assert record_verdicts(book, later, version=2, carrier="page") == [
        "episode_closed", "episode_opened", "alert_raised",
    ]  # fmt: skip


def test_numbers_of_a_former_champion_open_nothing(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page")
    retrain_and_decide(book, MONDAY, 2, "promoted")
    assert record_verdicts(book, MONDAY, version=1, auc="page", carrier="page") == [
        "episode_closed"
    ]
    assert list_open_episodes(book.entries("flights")) == []


def test_a_broken_contract_never_asks_for_retraining(book: Ledger) -> None:
    assert record_verdicts(book, MONDAY, rows="page") == ["episode_opened"]
    assert record_verdicts(book, MONDAY + WEEK, rows="page") == []


def test_nothing_is_trained_while_the_data_are_broken(book: Ledger) -> None:
    assert record_verdicts(book, MONDAY, rows="page", auc="page") == ["episode_opened"] * 2
    found = record_verdicts(book, MONDAY + WEEK, rows="ok", auc="page")
    assert found == ["episode_closed", "alert_raised"]


@pytest.mark.parametrize("cause", ["auc", "carrier"])
def test_a_ticket_is_an_episode_for_people_and_asks_for_nothing(book: Ledger, cause: str) -> None:
    assert record_verdicts(book, MONDAY, **{cause: "ticket"}) == ["episode_opened"]
    assert record_verdicts(book, MONDAY + WEEK, **{cause: "ticket"}) == []
    assert record_verdicts(book, MONDAY + 2 * WEEK, **{cause: "ok"}) == ["episode_closed"]


def test_find_due_alert_ignores_a_data_contract_ticket(book: Ledger) -> None:
    found = record_verdicts(book, MONDAY, rows="ticket", auc="page")
    assert found == ["episode_opened", "episode_opened", "alert_raised"]
    assert alerts(book)[0].evidence["causes"] == [AUC]


def test_while_a_bake_shows_harm_nothing_is_trained(book: Ledger) -> None:
    assert record_verdicts(book, MONDAY, bake="page", auc="page") == ["episode_opened"] * 2
    assert record_verdicts(book, MONDAY + WEEK, bake="ok", auc="page") == [
        "episode_closed",
        "alert_raised",
    ]


def test_a_silence_holds_retraining_back_until_it_is_over(book: Ledger) -> None:
    cause = {"cause": "silence:landed", "kind": "silence", "severity": "page", "message": "-"}
    key = "episode:silence:landed"
    book.record(Entry("flights", "episode_opened", key, MONDAY, "watch", 1, cause))
    assert record_verdicts(book, MONDAY, auc="page") == ["episode_opened"]
    book.record(Entry("flights", "episode_closed", f"closed:{key}", MONDAY + WEEK, "watch"))
    assert record_verdicts(book, MONDAY + WEEK, auc="page") == ["alert_raised"]


def test_a_rollback_ends_the_episodes_of_the_loser(book: Ledger) -> None:
    record_flights_entry(book, "promoted", "decision:2", MONDAY - WEEK, 2)
    record_verdicts(book, MONDAY, version=2, bake="page", auc="page")
    record_flights_entry(book, "rolled_back", "rollback:2", MONDAY, 1)
    found = record_verdicts(book, MONDAY + WEEK, version=1, auc="ok")
    assert found == ["episode_closed", "episode_closed"]
    reasons = {e.evidence.get("reason") for e in book.entries("flights")}
    assert "version 1 came back" in reasons


def test_the_past_is_decided_with_what_was_known_then(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page")
    record_verdicts(book, MONDAY + WEEK, auc="ok")
    before = book.entries("flights")
    assert record_verdicts(book, MONDAY, auc="page") == []
    assert book.entries("flights") == before


def test_an_alert_waits_until_somebody_begins(book: Ledger) -> None:
    record_verdicts(book, MONDAY, auc="page")
    assert list_unclaimed_alerts(book.entries("flights")) == alerts(book)
    record_flights_entry(book, "retrain_started", f"retrain:{alerts(book)[0].key}", MONDAY)
    assert list_unclaimed_alerts(book.entries("flights")) == []
