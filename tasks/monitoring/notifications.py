"""Notifications of ledger entries through Prefect's notification blocks.

A notification is due if a block is configured for the entry's severity, and no `notified` entry
records that it was sent. That entry is recorded after sending. So a message is sent twice only if a
run is killed between the two, or two runs send at the same time. A block that fails is tried again
by the next run, in order.

A new block does not get the whole history: only open episodes and the entries of the last three
days (of the ledger's real time).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from configs.schema.base import Severity
from configs.schema.monitoring import Notify
from configs.schema.use_case import UseCase
from tasks.ledger.descriptions import (
    describe_event,
    describe_evidence,
    read_cause,
    read_severity,
)
from tasks.ledger.entries import make_notified
from tasks.ledger.log import Entry, EntryKind, Ledger
from tasks.ledger.projections import list_open_episodes
from tasks.orchestration.notification_blocks import send_notification

NOTIFY_ACTOR = "notify"
RECENT = timedelta(days=3)  # covers a webhook that was broken over a weekend
_SEVERITIES: Mapping[EntryKind, Severity] = {
    "rollback_asked": "page",
    "rolled_back": "page",
    "recovered": "page",
    "approval_asked": "ticket",
    "refit_dropped": "ticket",
    "rollout_started": "inform",
    "promoted": "inform",
    "refused": "inform",
}

SendNotification = Callable[[str, str, str], None]


def find_entry_severity(entry: Entry) -> Severity | None:
    """Return the severity of an entry; None if it is never sent."""
    return read_severity(entry) or _SEVERITIES.get(entry.what)


def list_due_notifications(
    entries: Sequence[Entry], subscriptions: Sequence[Notify]
) -> list[tuple[str, Entry]]:
    """Return the notifications to send, oldest first: name of the block, and entry."""
    existing = {entry.key for entry in entries}
    due = {
        (each.block, entry.key): (each.block, entry)
        for entry in _list_recent(entries)
        for each in subscriptions
        if find_entry_severity(entry) in each.severities
        and _notified(each.block, entry).key not in existing
    }
    return list(due.values())


def format_notification(use_case: UseCase, entry: Entry) -> tuple[str, str]:
    """Return subject and body of a notification: model, event, evidence and next command."""
    cause = read_cause(entry)
    event = f"{describe_event(entry)}: {cause}" if cause else describe_event(entry)
    lines = [
        f"{use_case.name}: {use_case.title}",
        f"{event}, at {entry.at:%Y-%m-%d %H:%M} UTC, by {entry.actor}",
        describe_evidence(entry),
        f"Look further: mainspring history {use_case.name}",
    ]
    if entry.what == "approval_asked":
        lines.append(f"Answer: mainspring approve (or reject) {use_case.name} {entry.version}")
    return f"[{find_entry_severity(entry)}] {use_case.name}: {event}", "\n".join(lines)


def send_due_notifications(
    book: Ledger, use_case: UseCase, send: SendNotification = send_notification
) -> tuple[list[Entry], dict[str, Exception]]:
    """Send the due notifications and record them.

    Returns:
        The new entries, and the error of each block that failed.
    """
    sent: list[Entry] = []
    broken: dict[str, Exception] = {}
    for block, entry in list_due_notifications(book.entries(use_case.name), use_case.notify):
        if block in broken:
            continue
        try:
            send(block, *format_notification(use_case, entry))
        except Exception as error:  # noqa: BLE001 - any webhook may fail in its own way
            broken[block] = error
        else:
            sent.append(book.record(_notified(block, entry))[0])
    return sent, broken


def _list_recent(entries: Sequence[Entry]) -> list[Entry]:
    open_keys = {entry.key for entry in list_open_episodes(entries)}
    written = [(e, e.recorded) for e in entries if e.recorded is not None]
    newest = max((recorded for _, recorded in written), default=None)
    return [
        entry
        for entry, recorded in written
        if entry.key in open_keys or (newest is not None and newest - recorded <= RECENT)
    ]


def _notified(block: str, entry: Entry) -> Entry:
    return make_notified(entry, block, find_entry_severity(entry), NOTIFY_ACTOR)
