"""MLflow's alias `champion`: a copy of what the ledger says, for people and tools."""

from __future__ import annotations

from infra.fault_injection import effect
from tasks.ledger.log import Ledger
from tasks.ledger.projections import find_champion
from tasks.models.registry import read_champion_alias, set_champion_alias


def sync_champion_alias(book: Ledger, model: str) -> int | None:
    """Make the alias the ledger's champion; its version, None as long as there is none.

    Both are looked at again after writing: of two that follow at once, the slower one may have
    written an older champion.
    """
    while True:
        reigning = find_champion(book.entries(model))
        if reigning is None or reigning.version is None:
            return None
        if read_champion_alias(model) == reigning.version:
            return reigning.version
        with effect("set the alias"):
            set_champion_alias(model, reigning.version)
