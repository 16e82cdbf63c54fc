"""Alerts of Alertmanager: one episode each, closed when over, whatever else a message holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.errors import BadConfig
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Ledger
from tasks.ledger.state import read_ledger_state
from tasks.telemetry.alert_episodes import AlertOutcomes, record_alerts
from tests.support.hostile_texts import HOSTILE_TEXTS

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
STARTED = "2026-11-28T11:50:00.123456789Z"


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def alert(status: str = "firing", **changes: Any) -> dict[str, Any]:
    labels = {"alertname": "Drift", "use_case": "flights", "severity": "ticket"}
    return {
        "status": status,
        "labels": labels | changes.pop("labels", {}),
        "annotations": {"summary": "3 inputs drift"},
        "startsAt": STARTED,
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-11-28T11:55:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "1a2b3c4d5e6f7a8b",
        **changes,
    }


def deliver(book: Ledger, *alerts: Any, now: datetime = NOW) -> AlertOutcomes:
    message = {"version": "4", "status": "firing", "receiver": "mainspring", "alerts": alerts}
    return record_alerts(book, json.dumps(message).encode(), {"flights", "visits"}, now)


def test_an_alert_is_one_episode_however_often_it_arrives(book: Ledger) -> None:
    first = deliver(book, alert())
    again = [deliver(book, alert(), now=NOW + timedelta(hours=hour)) for hour in range(1, 4)]
    (entry,) = first.recorded
    assert [(each.recorded, each.known) for each in again] == [([], 1)] * 3
    shown = read_evidence(entry, EpisodeOpened)
    assert (entry.what, shown.kind, shown.severity) == ("episode_opened", "prometheus", "ticket")
    assert shown.message == "Drift: 3 inputs drift"
    assert entry.at == datetime(2026, 11, 28, 11, 50, 0, 123457, tzinfo=UTC)
    closed = deliver(book, alert("resolved"), alert("resolved"))
    assert [each.what for each in closed.recorded] == ["episode_closed"]
    assert closed.recorded[0].at == datetime(2026, 11, 28, 11, 55, tzinfo=UTC)
    assert read_ledger_state(book, "flights").open_episodes == ()
    late = deliver(book, alert())  # a message of before the end, delivered after it
    assert (late.recorded, late.known) == ([], 1)
    assert [e.what for e in book.entries("flights")] == ["episode_opened", "episode_closed"]


def test_an_alert_that_fires_again_opens_another_episode(book: Ledger) -> None:
    deliver(book, alert())
    deliver(book, alert("resolved"))
    assert len(deliver(book, alert(startsAt="2026-11-28T11:50:59Z")).recorded) == 1
    assert len(read_ledger_state(book, "flights").open_episodes) == 1


def test_alerts_of_one_rule_are_apart(book: Ledger) -> None:
    deliver(book, alert(), alert(fingerprint="00ff"), alert(labels={"use_case": "visits"}))
    deliver(book, alert("resolved"))
    assert len(read_ledger_state(book, "flights").open_episodes) == 1
    assert len(read_ledger_state(book, "visits").open_episodes) == 1


@pytest.mark.parametrize(
    ("severity", "meaning"),
    [("page", "page"), ("critical", "page"), ("warning", "ticket"), ("Warning", "ticket"),
     ("info", "inform"), ("none", "inform"), ("P1", "page"), ("", "page")],
)  # fmt: skip
def test_an_unknown_severity_pages(book: Ledger, severity: str, meaning: str) -> None:
    (entry,) = deliver(book, alert(labels={"severity": severity})).recorded
    assert read_evidence(entry, EpisodeOpened).severity == meaning


@pytest.mark.parametrize(
    "bad",
    [
        {}, 1, "text", None, [], alert(status="unknown"), alert(fingerprint=""),
        alert(fingerprint="../x"), alert(fingerprint="a" * 65), alert(startsAt="yesterday"),
        alert(labels={"use_case": "other"}), alert(labels={"use_case": "../flights"}),
        alert(labels={"use_case": ""}), alert(labels={"use_case": 3}), alert(annotations=[]),
        alert(labels={"alertname": "x" * 20_000}),
    ],
)  # fmt: skip
def test_a_bad_alert_is_named_and_stops_no_other(book: Ledger, bad: object) -> None:
    outcomes = deliver(book, bad, alert())
    assert len(outcomes.recorded) == 1
    (reason,) = outcomes.refused
    assert reason.startswith("alerts[0]")
    assert len(reason) < 400


@pytest.mark.parametrize(
    "message", [b"", b"{}", b"[]", b"null", b"{", b"\xff\xfe", b'{"alerts": 1}', b"[" * 100_000]
)
def test_another_message_is_refused(book: Ledger, message: bytes) -> None:
    with pytest.raises(BadConfig, match="the message of the webhook is invalid"):
        record_alerts(book, message, {"flights"}, NOW)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_foreign_text_is_one_printable_line(book: Ledger, text: str) -> None:
    labels, notes = {"alertname": text}, {"summary": f"{text}\x1b[31m\n{text}"}
    (entry,) = deliver(book, alert(labels=labels, annotations=notes)).recorded
    shown = read_evidence(entry, EpisodeOpened)
    assert shown.message.isprintable()
    assert shown.cause.isprintable()
    assert book.entries("flights") == [entry]


@pytest.mark.parametrize(
    "started",
    [
        "2126-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2020-01-01T00:00:00Z",
    ],
)
def test_a_clock_that_is_wrong_gives_the_time_of_the_receipt(book: Ledger, started: str) -> None:
    assert [e.at for e in deliver(book, alert(startsAt=started)).recorded] == [NOW]
    assert deliver(book, alert(startsAt=started)).known == 1
    ends = alert("resolved", endsAt="2126-01-01T00:00:00Z")
    assert [e.at for e in deliver(book, ends).recorded] == [NOW]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.dictionaries(st.sampled_from([*alert()]), JSON), before=st.booleans())
def test_no_alert_of_any_form_raises(book: Ledger, parts: dict[str, Any], before: bool) -> None:
    outcomes = deliver(book, {**(alert() if before else {}), **parts})
    assert len(outcomes.recorded) + outcomes.known + len(outcomes.refused) == 1
