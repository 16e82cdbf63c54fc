"""Projections of the ledger: champion, open episodes, unanswered requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import get_args

from configs.errors import NoChampion
from configs.schema.base import Severity
from tasks.ledger.log import Entry, RequestKind


def episode_severity(episode: Entry) -> Severity:
    """How bad an episode is; those from before there were severities are pages."""
    found: Severity = episode.evidence.get("severity", "page")
    return found


_ANSWERS = ("deferred", "approval_asked", "rollout_started", "rollout_grown", "promoted", "refused")


def find_champion(entries: Sequence[Entry], at: datetime | None = None) -> Entry | None:
    """The promotion or rollback that made the champion of a moment (of now); None before any."""
    crowned = [e for e in _crowned(entries) if at is None or e.at <= at]
    return crowned[-1] if crowned else None


def require_champion(entries: Sequence[Entry], model: str, at: datetime | None = None) -> Entry:
    """As `champion`, but NoChampion says what to do when there is none."""
    found = find_champion(entries, at)
    if found is None or found.version is None:
        raise NoChampion(f"{model} has no champion at {at or 'this time'}: run train/{model} first")
    return found


def list_open_episodes(entries: Sequence[Entry]) -> list[Entry]:
    """Episodes that are still bad, oldest first."""
    closed = {e.key for e in entries if e.what == "episode_closed"}
    return [e for e in entries if e.what == "episode_opened" and f"closed:{e.key}" not in closed]


def list_unanswered(entries: Sequence[Entry]) -> list[Entry]:
    """Entries that ask for something which nobody has done yet, oldest first."""
    return [e for e in entries if e.what in get_args(RequestKind) and not _is_answered(e, entries)]


def list_unanswered_alerts(entries: Sequence[Entry]) -> list[Entry]:
    """Alerts that no candidate answers yet."""
    return [e for e in list_unanswered(entries) if e.what == "alert_raised"]


def list_undecided_candidates(entries: Sequence[Entry]) -> list[Entry]:
    """Candidates that are neither promoted nor refused yet."""
    decided = {e.version for e in entries if e.what in ("promoted", "refused")}
    return [e for e in entries if e.what == "candidate_registered" and e.version not in decided]


def _crowned(entries: Sequence[Entry]) -> list[Entry]:
    """What made somebody champion, in order."""
    makes = ("promoted", "rolled_back")
    return [e for e in entries if e.what in makes and e.version is not None]


def _is_answered(asking: Entry, entries: Sequence[Entry]) -> bool:
    """An alert by its candidate, a rollback by its key or by the next promotion, which leaves
    nothing to undo, the others by what follows for the version.

    A version is candidate twice if it answers two alerts; what was done about it counts for both.
    """
    if asking.what == "alert_raised":
        return any(e.key == f"candidate:{asking.key}" for e in entries)
    if asking.what == "rollback_asked":
        undone = asking.key.replace("undo:", "rollback:", 1)
        superseded = any(e.what == "promoted" and e.seq > asking.seq for e in entries)
        return superseded or any(e.key == undone for e in entries)
    since = 0 if asking.what == "candidate_registered" else asking.seq
    later = [e for e in entries if e.version == asking.version and e.seq > since]
    return any(e.what in _ANSWERS for e in later)
