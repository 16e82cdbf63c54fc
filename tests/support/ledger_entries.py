"""Ledger entries of the models `m` (by day from 1 April 2013) and `flights`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tasks.ledger.log import Entry, EntryKind

START = datetime(2013, 4, 1, tzinfo=UTC)
RAISED = datetime(2013, 5, 6, tzinfo=UTC)


def entry(
    what: EntryKind, key: str, version: int | None = None, day: int = 0, model: str = "m"
) -> Entry:
    return Entry(model, what, key, START + timedelta(days=day), "test", version)


def numbered(*entries: Entry) -> list[Entry]:
    """Return the entries with the numbers that a ledger would give them."""
    return [replace(e, seq=i) for i, e in enumerate(entries, 1)]


def flights_entry(
    what: EntryKind, key: str, at: datetime = RAISED, version: int | None = None
) -> Entry:
    return Entry("flights", what, key, at, "test", version)
