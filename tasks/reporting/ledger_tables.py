"""Ledger entries and gate checks as tables."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tasks.ledger.descriptions import describe_actor, describe_event, describe_evidence, read_gates
from tasks.ledger.log import Entry
from tasks.reporting.formats import format_moment
from tasks.reporting.table import Cell, CellStyle, Column, Table, build_table

EVENT_STYLES: dict[str, CellStyle] = {
    "promoted": "good",
    "refused": "warning",
    "alert_raised": "bad",
    "episode_opened": "bad",
    "episode_closed": "good",
    "refit_asked": "progress",
    "refit_dropped": "warning",
    "rollout_started": "progress",
    "rollout_grown": "progress",
    "deferred": "muted",
    "approval_asked": "warning",
    "approved": "good",
    "rejected": "warning",
    "rollback_asked": "bad",
    "rolled_back": "warning",
    "recovered": "warning",
}
VERDICT_CELLS = {
    "pass": Cell("✓ pass", "good"),
    "fail": Cell("✗ fail", "bad"),
    "wait": Cell("… wait", "warning"),
    "not asked": Cell("skipped", "muted"),
}


def tabulate_history(model: str, entries: Sequence[Entry], *, full: bool = False) -> Table:
    """Return the ledger of a model, an entry a row.

    Args:
        model: The use case's name, for the title.
        entries: The entries to show, in their order.
        full: Whether to show sequence number, run and the evidence as JSON too.
    """
    titles = [Column("when (UTC)", wrap=False), Column("what")]
    titles += [Column("seq", "right", wrap=False)] if full else []
    titles += [Column("by")]
    rows = [_build_row(entry, full=full) for entry in entries]
    return build_table([*titles, Column("evidence")], rows, f"ledger of {model}")


def tabulate_version(entries: Sequence[Entry]) -> Table:
    """Return the entries about a version: when, what, why and by whom or what."""
    rows = [
        (format_moment(e.at), describe_event(e), describe_evidence(e), describe_actor(e))
        for e in entries
    ]
    return build_table(("when (UTC)", "what", "why", "by"), rows)


def tabulate_gates(entry: Entry) -> Table | None:
    """Return the gate checks that a decision rests on; None if the entry has none."""
    checks = read_gates(entry)
    if not checks:
        return None
    rows = [
        (_verdict_cell(check.verdict), check.gate, check.asked, check.measured) for check in checks
    ]
    columns = (Column("verdict", wrap=False), "gate", "requirement", "measured")
    return build_table(columns, rows, f"{describe_event(entry)}, {entry.at:%Y-%m-%d}")


def _verdict_cell(verdict: str) -> Cell:
    return VERDICT_CELLS.get(verdict, Cell(verdict, "muted"))


def _build_row(entry: Entry, *, full: bool) -> list[Cell]:
    texts = [format_moment(entry.at), describe_event(entry)]
    if full:
        texts += [str(entry.seq), entry.actor, json.dumps(entry.evidence, indent=1)]
    else:
        evidence = describe_evidence(entry).removeprefix(f"by {entry.actor}: ")
        texts += [describe_actor(entry), evidence]
    style = EVENT_STYLES.get(entry.what, "plain")
    return [Cell(text, style) for text in texts]
