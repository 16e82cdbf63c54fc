"""MLflow's alias `champion`, a copy of the ledger's champion for people and tools."""

from __future__ import annotations

from infra.fault_injection import effect
from tasks.ledger.log import Ledger
from tasks.ledger.state import read_ledger_state
from tasks.models.registry import read_champion_alias, set_champion_alias


def sync_champion_alias(book: Ledger, model: str) -> int | None:
    """Set the alias to the ledger's champion, or remove it; return the champion's version."""
    # both are read again after the write: of two concurrent runs the slower one may have written
    # an older champion
    while True:
        version = read_ledger_state(book, model).champion_version
        if read_champion_alias(model) == version:
            return version
        with effect("set the alias"):
            set_champion_alias(model, version)
