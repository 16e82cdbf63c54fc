"""Sending of requests."""

from datetime import UTC, datetime

import pytest

from tasks.ledger.evidence import RollbackAsked
from tasks.ledger.log import Entry
from tasks.monitoring import requests

AT = datetime(2013, 5, 6, tzinfo=UTC)


def test_send_requests_emits_each_request_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str | None]] = []
    monkeypatch.setattr(
        requests, "request_next_step", lambda entry, promotion: sent.append((entry.key, promotion))
    )
    undo = RollbackAsked(promotion="decision:2", reason="worse").to_json()
    requests.send_requests(
        [
            Entry("flights", "alert_raised", "alert:a", AT, "test"),
            Entry("flights", "rollback_asked", "undo:3", AT, "test", 2, undo),
        ]
    )
    assert sent == [("alert:a", None), ("undo:3", "decision:2")]
