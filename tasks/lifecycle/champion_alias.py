"""MLflow's aliases, copies of the ledger's versions for people and tools.

`champion` scores, `challenger` is the newest candidate without a decision, and `previous` is the
champion that a rollback restores.
"""

from __future__ import annotations

from infra.fault_injection import effect
from tasks.ledger.log import Ledger
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.models.registry import CHAMPION_ALIAS, read_alias, set_alias


def sync_champion_alias(book: Ledger, model: str) -> int | None:
    """Set all aliases to the ledger's versions, or remove them; return the champion's version."""
    # both are read again after the write: of two concurrent runs the slower one may have written
    # an older champion
    while True:
        version = read_ledger_state(book, model).champion_version
        if read_alias(model, CHAMPION_ALIAS) == version:
            sync_other_aliases(book, model)
            return version
        with effect("set the alias"):
            set_alias(model, CHAMPION_ALIAS, version)


def sync_other_aliases(book: Ledger, model: str) -> None:
    """Set `challenger` and `previous` to the ledger's versions, or remove them."""
    ledger = read_ledger_state(book, model)
    wanted = {"challenger": _find_challenger(ledger), "previous": _find_previous(ledger)}
    for alias, version in wanted.items():
        if read_alias(model, alias) != version:
            set_alias(model, alias, version, is_required=False)


def _find_challenger(ledger: LedgerState) -> int | None:
    undecided = ledger.undecided_candidates
    return undecided[-1].version if undecided else None


def _find_previous(ledger: LedgerState) -> int | None:
    others = [
        promotion.version
        for promotion in ledger.standing_promotions
        if promotion.version != ledger.champion_version
    ]
    return others[-1] if others else None
