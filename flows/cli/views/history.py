"""History of a model, from its ledger, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from tasks.ledger.descriptions import entries_about
from tasks.ledger.log import Entry, open_ledger
from tasks.reporting.ledger_tables import tabulate_gates, tabulate_history
from tasks.reporting.terminal import render_terminal

INTERNAL_EVENTS = ("step_asked", "notified")  # shown in the full history only


def find_ledger_name(name: str) -> str:
    """Return the name of a model in the ledger, also without a YAML file; BadConfig if unknown.

    A use case that was retired or renamed keeps its ledger under its old name.
    """
    if open_ledger().entries(name):
        return name
    try:
        return load_use_case(name).name
    except BadConfig as unknown:
        recorded = sorted({entry.model for entry in open_ledger().entries()})
        listed = ", ".join(recorded) or "none"
        raise BadConfig(f"{unknown}. Models in the ledger: {listed}") from unknown


def choose_entries(
    model: str,
    *,
    full: bool = False,
    version: int | None = None,
    last: int | None = None,
    since: datetime | None = None,
) -> list[Entry]:
    """Return the entries of a model to show, in the order of their time.

    Args:
        model: The use case's name.
        full: Whether internal events are shown too.
        version: The version that they concern; None for all.
        last: The number of the newest entries; None for all.
        since: The earliest time; None for all.
    """
    entries = open_ledger().entries(model)
    chosen = entries if version is None else entries_about(entries, version)
    chosen = [
        entry
        for entry in chosen
        if (full or entry.what not in INTERNAL_EVENTS) and (since is None or entry.at >= since)
    ]
    in_order = sorted(chosen, key=lambda entry: (entry.at, entry.seq))
    return in_order if last is None else in_order[-last:]


def render_history(
    model: str, entries: Sequence[Entry], *, full: bool = False, gates: bool = False
) -> RenderableType:
    """Return ledger entries, an entry a row.

    Args:
        model: The use case's name.
        entries: The entries.
        full: Whether to show the evidence as JSON.
        gates: Whether to show each decision's gate checks below the entries.
    """
    if not entries:
        return Text(f"nothing is recorded of {model}")
    history = render_terminal(tabulate_history(model, entries, full=full), lines=full)
    tables = [tabulate_gates(entry) for entry in entries] if gates else []
    return Group(history, *(render_terminal(table) for table in tables if table is not None))
