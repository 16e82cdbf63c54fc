"""History of a model, from its ledger, for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from tasks.ledger.log import open_ledger
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


def render_history(model: str, *, full: bool = False, gates: bool = False) -> RenderableType:
    """Return the ledger of a model, an entry a row.

    Args:
        model: The use case's name.
        full: Whether to show every entry, with its evidence as JSON.
        gates: Whether to show each decision's gate checks below the entries.
    """
    entries = [
        entry for entry in open_ledger().entries(model) if full or entry.what not in INTERNAL_EVENTS
    ]
    history = render_terminal(tabulate_history(model, entries, full=full), lines=full)
    tables = [tabulate_gates(entry) for entry in entries] if gates else []
    return Group(history, *(render_terminal(table) for table in tables if table is not None))
