"""What is due to whom: each entry and block once, in order, and no flood of what is long past."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.schema.loading import load_use_case
from configs.schema.monitoring import Notify
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry, EntryKind, Ledger
from tasks.monitoring.notifications import (
    RECENT,
    find_entry_severity,
    format_notification,
    list_due_notifications,
    send_due_notifications,
)

NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
OPS, TEAM = "slack-webhook/ops", "custom-webhook/team"
BLOCKS = (Notify(block=OPS), Notify(block=TEAM, severities=("page", "ticket", "inform")))


def noon_entry(what: EntryKind, key: str, seq: int = 1, days: float = 0, **evidence: Any) -> Entry:
    """An entry that was recorded so many days after NOON."""
    recorded = NOON + timedelta(days=days)
    return Entry("flights", what, key, NOON, "test", 1, evidence, seq, recorded)


def episode(name: str, days: float = 0, severity: str = "page") -> Entry:
    told = {"cause": name, "kind": "drift", "severity": severity, "message": f"{name} is bad"}
    return noon_entry("episode_opened", f"episode:{name}", days=days, **told)


def closed(name: str, days: float = 0, severity: str = "page") -> Entry:
    told = {"cause": name, "severity": severity, "reason": "it is good again"}
    return noon_entry("episode_closed", f"closed:episode:{name}", days=days, **told)


def sent(found: list[tuple[str, Entry]]) -> list[tuple[str, str]]:
    return [(block, about.key) for block, about in found]


def flights_notifying(*wanted: Notify) -> UseCase:
    return load_use_case("flights").model_copy(update={"notify": wanted})


class Outbox:
    """A way of sending that keeps what it was given, and fails for the blocks in `broken`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.broken: set[str] = set()

    def __call__(self, block: str, subject: str, body: str) -> None:
        if block in self.broken:
            raise ConnectionError(f"{block} is down")
        self.sent.append((block, subject, body))


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (episode("x"), "page"),
        (episode("x", severity="ticket"), "ticket"),
        (closed("x", severity="ticket"), "ticket"),
        (noon_entry("rolled_back", "r"), "page"),
        (noon_entry("rollback_asked", "u"), "page"),
        (noon_entry("approval_asked", "a"), "ticket"),
        (noon_entry("promoted", "p"), "inform"),
        (noon_entry("refused", "p"), "inform"),
        (noon_entry("rollout_started", "p"), "inform"),
        (noon_entry("deferred", "d"), None),
        (noon_entry("alert_raised", "d"), None),
        (noon_entry("notified", "n"), None),
    ],
)
def test_every_entry_has_its_severity(about: Entry, expected: str | None) -> None:
    assert find_entry_severity(about) == expected


def test_a_block_gets_what_it_wants_in_order_and_once() -> None:
    entries = [noon_entry("promoted", "decision:1"), episode("x")]
    expected = [(TEAM, "decision:1"), (OPS, "episode:x"), (TEAM, "episode:x")]
    assert sent(list_due_notifications(entries, BLOCKS)) == expected
    told = noon_entry("notified", f"notified:{OPS}:episode:x")
    assert sent(list_due_notifications([*entries, told], BLOCKS)) == [
        (TEAM, "decision:1"),
        (TEAM, "episode:x"),
    ]
    assert list_due_notifications([], BLOCKS) == list_due_notifications(entries, []) == []


def test_a_block_named_twice_is_told_once() -> None:
    twice = (Notify(block=OPS), Notify(block=OPS, severities=("ticket", "page")))
    assert sent(list_due_notifications([episode("x")], twice)) == [(OPS, "episode:x")]


def test_list_due_for_a_new_block_is_open_and_recent() -> None:
    entries = [
        noon_entry("promoted", "decision:1", days=-300),
        episode("over", -200), closed("over", -190), episode("lasting", -100),
        noon_entry("rolled_back", "rollback:3", days=-4),
        noon_entry("refused", "decision:2", days=-2), noon_entry("deferred", "deferred:3", days=0),
    ]  # fmt: skip
    found = [key for block, key in sent(list_due_notifications(entries, BLOCKS)) if block == TEAM]
    assert found == ["episode:lasting", "decision:2"]


def test_list_due_keeps_what_a_broken_webhook_missed() -> None:
    entries = [noon_entry("rolled_back", "rollback:3")]
    assert sent(list_due_notifications(entries, BLOCKS[:1])) == [(OPS, "rollback:3")]
    entries.append(noon_entry("deferred", "deferred:3", days=RECENT / timedelta(days=1)))
    assert sent(list_due_notifications(entries, BLOCKS[:1])) == [(OPS, "rollback:3")]
    entries.append(noon_entry("deferred", "deferred:4", days=4))
    assert list_due_notifications(entries, BLOCKS[:1]) == []


def test_a_message_says_model_what_evidence_and_where_to_look() -> None:
    subject, body = format_notification(load_use_case("flights"), episode("drift:carrier"))
    assert subject == "[page] flights: episode opened v1: drift:carrier"
    assert "drift:carrier is bad" in body
    assert "2024-03-04 12:00 UTC" in body
    assert "mainspring history flights" in body


def test_who_is_asked_is_told_how_to_answer() -> None:
    asked = noon_entry("approval_asked", "approval_asked:1", reason="the gate let it in")
    subject, body = format_notification(load_use_case("flights"), asked)
    assert subject.startswith("[ticket] flights: approval asked v1")
    assert "mainspring approve (or reject) flights 1" in body


def test_told_is_recorded_and_twice_is_as_once(book: Ledger) -> None:
    out = Outbox()
    book.record(episode("x"))
    told, broken = send_due_notifications(book, flights_notifying(*BLOCKS), out)
    assert [e.key for e in told] == [f"notified:{b}:episode:x" for b in (OPS, TEAM)]
    assert told[0].at == NOON
    assert not broken
    assert send_due_notifications(book, flights_notifying(*BLOCKS), out) == ([], {})
    assert [block for block, *_ in out.sent] == [OPS, TEAM]


def test_send_due_goes_on_when_a_block_fails(book: Ledger) -> None:
    out = Outbox()
    out.broken = {OPS}
    for about in (episode("x"), closed("x")):
        book.record(about)
    told, broken = send_due_notifications(book, flights_notifying(*BLOCKS), out)
    assert [e.evidence["block"] for e in told] == [TEAM, TEAM]
    assert isinstance(broken[OPS], ConnectionError)
    out.broken.clear()
    told, broken = send_due_notifications(book, flights_notifying(*BLOCKS), out)
    assert [e.evidence["entry"] for e in told] == ["episode:x", "closed:episode:x"]
    assert not broken


@settings(max_examples=25)
@given(fails=st.lists(st.sets(st.sampled_from([OPS, TEAM])), max_size=8), data=st.data())
def test_whatever_fails_everybody_hears_all_in_order(
    fails: list[set[str]], data: st.DataObject
) -> None:
    book = Ledger("sqlite://")
    out, case = Outbox(), flights_notifying(*BLOCKS)
    for number, broken in enumerate([*fails, set()]):
        for name in data.draw(st.sets(st.sampled_from("abc"), max_size=2)):
            book.record(episode(f"{name}{number}"))
        out.broken = broken
        send_due_notifications(book, case, out)
    told = [e.key for e in book.entries("flights") if e.what == "episode_opened"]
    for block in (OPS, TEAM):
        subjects = [subject for to, subject, _ in out.sent if to == block]
        assert [f"episode:{s.rpartition(' ')[2]}" for s in subjects] == told
