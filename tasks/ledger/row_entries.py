"""Constructor of the ledger entries of rows that a person releases, repairs or erases."""

from __future__ import annotations

from datetime import datetime

from tasks.ledger.evidence import RowsChanged
from tasks.ledger.log import Entry, EntryKind


def make_rows_changed(
    model: str,
    what: EntryKind,
    at: datetime,
    actor: str,
    evidence: RowsChanged,
    version: int | None = None,
) -> Entry:
    """Return the entry of changed rows; one a kind, table and digest.

    Args:
        model: name of the use case
        what: the kind of the entry
        at: moment of the change
        actor: the person
        evidence: table, number and digest of the rows, with the reason
        version: of a model whose golden rows changed
    """
    key = f"{what}:{evidence.table}:{evidence.digest}"
    return Entry(model, what, key, at, actor, version, evidence.to_json())
