"""Decisions of a model: what was decided on each version, by which checks and by whom or what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.ledger.descriptions import describe_event, describe_evidence, read_gates
from tasks.ledger.log import Entry
from tasks.overview.links import link_run
from tasks.reporting.ledger_tables import EVENT_STYLES, tabulate_gates
from tasks.reporting.table import CellStyle, Table

_DECISIONS = (
    "promoted", "refused", "rolled_back", "recovered", "retired", "rollout_started",
    "rollout_grown", "deferred", "approval_asked", "approved", "rejected", "rollback_asked",
)  # fmt: skip


@dataclass(frozen=True)
class DecisionRow:
    """One decision.

    Attributes:
        seq: number of its entry, the anchor on the page.
        at: when it holds from.
        what: the event with its version.
        style: the look of the event.
        version: the version that it is about.
        reason: why.
        actor: what or who decided.
        run: link to the run in Prefect; empty without one.
        passed: number of checks that passed, of `checks`.
        checks: number of checks.
        gates: the checks; None without any.
    """

    seq: int
    at: datetime
    what: str
    style: CellStyle
    version: int | None
    reason: str
    actor: str
    run: str
    passed: int
    checks: int
    gates: Table | None


def build_decision_rows(entries: Sequence[Entry]) -> list[DecisionRow]:
    """Return a row for each decision, the newest first."""
    return [_build_row(e) for e in reversed(entries) if e.what in _DECISIONS]


def _build_row(entry: Entry) -> DecisionRow:
    checks = [check for check in read_gates(entry) if check.verdict != "not asked"]
    run = link_run(entry.actor)
    return DecisionRow(
        seq=entry.seq,
        at=entry.at,
        what=describe_event(entry),
        style=EVENT_STYLES.get(entry.what, "plain"),
        version=entry.version,
        reason=describe_evidence(entry),
        actor=entry.actor.partition(" ")[0] if run else entry.actor,
        run=run,
        passed=sum(check.verdict == "pass" for check in checks),
        checks=len(checks),
        gates=tabulate_gates(entry),
    )
