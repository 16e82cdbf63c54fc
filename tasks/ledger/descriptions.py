"""Ledger entries in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.evaluation.problem_types import PROBLEM_TYPES
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_champion


def entries_about(entries: Sequence[Entry], version: int) -> list[Entry]:
    """The entries that a version has a part in: its own, what asked for it, and who came after."""
    origins = {e.evidence.get("origin") for e in entries if e.version == version}
    return [e for e in entries if version in versions_concerned(e) or e.key in origins]


def versions_concerned(entry: Entry) -> list[int]:
    """The versions that an entry is about: its own, and the one that lost the champion's place."""
    lost = {"promoted": "champion_version", "rolled_back": "loser"}.get(entry.what, "")
    versions = (entry.version, entry.evidence.get(lost))
    return [version for version in versions if version is not None]


def describe_standing(entries: Sequence[Entry], version: int) -> str:
    """Where a version stands, in one line: champion, or what happened to it last."""
    reigning = find_champion(entries)
    if reigning is not None and reigning.version == version:
        return f"Version {version} is champion since {reigning.at:%Y-%m-%d %H:%M} UTC."
    own = entries_about(entries, version)
    last = f"{describe_event(own[-1])}, {own[-1].at:%Y-%m-%d}" if own else "not in the ledger"
    return f"Version {version} is not champion; last: {last}."


def gate_rows(evidence: dict[str, Any]) -> list[dict[str, str]]:
    """The lines of a decision's evidence as rows of a table: gate, asked, measured, verdict."""
    return [dict(line) for line in evidence.get("gates", ())]


def describe_event(entry: Entry) -> str:
    """What an entry says, with its version: `promoted v2`, `rolled back to v1`."""
    what = entry.what.replace("_", " ")
    share = entry.evidence.get("share")
    if entry.version is None:
        return what
    said = (
        f"{what} to v{entry.version}" if entry.what == "rolled_back" else f"{what} v{entry.version}"
    )
    return f"{said} ({share:.0%})" if share else said


def describe_evidence(entry: Entry) -> str:
    """One line of what an entry stands on."""
    if entry.what == "candidate_registered":
        return _describe_candidate(entry.evidence)
    said = str(entry.evidence.get("reason") or entry.evidence.get("message") or entry.key)
    return f"by {entry.actor}: {said}" if _is_by_person(entry) else said


def _is_by_person(entry: Entry) -> bool:
    """Whether a person did it, who is named then: an answer, or a promotion or rollback by hand."""
    by_hand = entry.key.startswith("hand:") or entry.evidence.get("by_hand")
    return bool(by_hand) or entry.what in ("approved", "rejected")


def _describe_candidate(evidence: dict[str, Any]) -> str:
    found, rows = evidence["holdout"], evidence["rows"]
    shown = PROBLEM_TYPES[evidence.get("kind", "binary")].status_metrics  # there was one kind once
    numbers = ", ".join(f"{name} {_format_metric(found[name])}" for name in shown)
    return f"{evidence['algorithm']} on {rows['train']:,} rows; holdout {numbers}"


def _format_metric(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
