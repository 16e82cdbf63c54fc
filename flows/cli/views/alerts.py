"""Alerts of the models: episodes with what answered them, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from tasks.ledger.descriptions import describe_event, describe_evidence, read_cause, read_severity
from tasks.ledger.evidence import AlertRaised, read_evidence
from tasks.ledger.keys import closing_key
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_candidate, find_decision
from tasks.reporting.formats import MISSING
from tasks.reporting.table import SEVERITY_STYLES, Cell, Column, build_table
from tasks.reporting.terminal import render_terminal


@dataclass(frozen=True)
class Alert:
    """An episode: what is wrong since when, and what answered it."""

    use_case: str
    severity: str
    cause: str
    since: datetime
    until: datetime | None
    evidence: str
    answer: str


def list_alerts(use_case: str, *, everything: bool = False) -> list[Alert]:
    """Return the open episodes of a use case, oldest first; with `everything` the closed ones too.

    Args:
        use_case: The name of the model in the ledger.
        everything: Whether closed episodes are listed.
    """
    entries = open_ledger().entries(use_case)
    closed = {entry.key: entry for entry in entries if entry.what == "episode_closed"}
    episodes = [entry for entry in entries if entry.what == "episode_opened"]
    alerts = [_build_alert(each, closed.get(closing_key(each)), entries) for each in episodes]
    return [alert for alert in alerts if everything or alert.until is None]


def _build_alert(episode: Entry, closed: Entry | None, entries: Sequence[Entry]) -> Alert:
    return Alert(
        episode.model,
        read_severity(episode) or "page",
        read_cause(episode),
        episode.at,
        None if closed is None else closed.at,
        describe_evidence(episode),
        _describe_answer(read_cause(episode), episode, entries),
    )


def _describe_answer(cause: str, episode: Entry, entries: Sequence[Entry]) -> str:
    """Return what became of the alert that an episode raised; empty if it raised none."""
    alerts = (e for e in entries if e.what == "alert_raised" and e.seq > episode.seq)
    alert = next((e for e in alerts if cause in read_evidence(e, AlertRaised).causes), None)
    if alert is None:
        return ""
    candidate = find_candidate(entries, alert.key)
    if candidate is None or candidate.version is None:
        return f"retraining is requested since {alert.at:%Y-%m-%d}"
    decision = find_decision(entries, candidate.version)
    if decision is None:
        return f"version {candidate.version} is a candidate"
    return f"{describe_event(decision)}, {decision.at:%Y-%m-%d}"


def render_alerts(alerts: Sequence[Alert], *, everything: bool = False) -> RenderableType:
    """Return alerts as a table, or a line if there is none."""
    if not alerts:
        return Text("no episode was ever opened" if everything else "no open episode")
    rows = [
        (
            each.use_case,
            Cell(each.severity, SEVERITY_STYLES.get(each.severity, "plain")),
            f"{each.since:%Y-%m-%d}",
            f"{each.until:%Y-%m-%d}" if each.until else "open" if everything else MISSING,
            each.evidence,
            each.answer or "for people",
        )
        for each in alerts
    ]
    since, until = Column("since", wrap=False), Column("until", wrap=False)
    titles: list[str | Column] = ["model", "severity", since, until, "what", "answer"]
    return render_terminal(build_table(titles, rows))
