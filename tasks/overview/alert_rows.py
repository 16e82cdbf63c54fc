"""Alerts of a model: each episode with its state, its cause, and what answered it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.ledger.descriptions import describe_event, read_cause, read_reason, read_severity
from tasks.ledger.evidence import AlertRaised, Notified, RetrainStarted, read_evidence
from tasks.ledger.keys import claim_key, closing_key
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_candidate, find_decision
from tasks.overview.links import LinkedText, link_entry, link_run
from tasks.overview.trends import describe_cause
from tasks.reporting.table import SEVERITY_STYLES, CellStyle

_SEVERITY_NAMES = {"page": "alert", "ticket": "ticket", "inform": "note"}


@dataclass(frozen=True)
class AlertRow:
    """One episode.

    Attributes:
        seq: number of its entry, the anchor on the page.
        severity: alert, ticket or note.
        style: the look of the severity.
        cause: what is bad, in words.
        message: what was measured.
        since: when it opened.
        until: when it was closed; None while it is open.
        ending: why it was closed.
        actor: what opened it.
        answers: what followed, oldest first.
    """

    seq: int
    severity: str
    style: CellStyle
    cause: str
    message: str
    since: datetime
    until: datetime | None
    ending: str
    actor: str
    answers: tuple[LinkedText, ...]


def build_alert_rows(entries: Sequence[Entry]) -> list[AlertRow]:
    """Return a row for each episode, open ones first, then the newest first."""
    rows = [_build_row(e, entries) for e in entries if e.what == "episode_opened"]
    return sorted(rows, key=lambda row: (row.until is not None, -row.seq))


def _build_row(episode: Entry, entries: Sequence[Entry]) -> AlertRow:
    closing = next((e for e in entries if e.key == closing_key(episode)), None)
    severity = read_severity(episode) or "page"
    return AlertRow(
        seq=episode.seq,
        severity=_SEVERITY_NAMES[severity],
        style=SEVERITY_STYLES[severity] if severity != "inform" else "muted",
        cause=describe_cause(read_cause(episode)),
        message=read_reason(episode),
        since=episode.at,
        until=closing.at if closing else None,
        ending=read_reason(closing) if closing else "",
        actor=episode.actor,
        answers=tuple(_list_answers(episode, closing, entries)),
    )


def _list_answers(
    episode: Entry, closing: Entry | None, entries: Sequence[Entry]
) -> Iterator[LinkedText]:
    """Yield what was sent, trained and decided because of an episode."""
    for entry in entries:
        if entry.what == "notified":
            notified = read_evidence(entry, Notified)
            if notified.entry == episode.key:
                yield LinkedText(f"notified {notified.block}")
        elif entry.what == "alert_raised" and _is_raised_for(entry, episode, closing):
            yield from _follow_alert(entry, entries)


def _is_raised_for(alert: Entry, episode: Entry, closing: Entry | None) -> bool:
    raised = read_evidence(alert, AlertRaised)
    lasted = episode.at <= alert.at and (closing is None or alert.seq < closing.seq)
    return raised.episode == episode.key or (read_cause(episode) in raised.causes and lasted)


def _follow_alert(alert: Entry, entries: Sequence[Entry]) -> Iterator[LinkedText]:
    yield LinkedText(f"retraining asked for, {alert.at:%Y-%m-%d}")
    claim = next((e for e in entries if e.key == claim_key(alert)), None)
    if claim is not None:
        run = read_evidence(claim, RetrainStarted).run
        yield LinkedText("training run", link_run(run))
    candidate = find_candidate(entries, alert.key)
    if candidate is None or candidate.version is None:
        return
    yield LinkedText(f"version {candidate.version}", f"models/v{candidate.version}.html")
    decision = find_decision(entries, candidate.version)
    if decision is not None:
        yield LinkedText(
            f"{describe_event(decision)}, {decision.at:%Y-%m-%d}", link_entry(decision)
        )
