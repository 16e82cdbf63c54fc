"""A version passed around the gate, because a person says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from configs.errors import Terminal
from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import find_champion
from tasks.models.registry import open_model
from tasks.promotion.advance import promotion_evidence
from tasks.promotion.rollback import find_rollback


def promote_manually(
    book: Ledger, use_case: UseCase, version: int, as_of: datetime, by: str, reason: str
) -> Entry:
    """Promote a version around the gate, because a person says so; the entry, old or new.

    The bake window watches it like any other. BadModel if there is no such version or its file
    does not hold; Terminal if it was rolled back before, or passed by hand once already.
    """
    entries = book.entries(use_case.name)
    reigning = find_champion(entries)
    if reigning is not None and reigning.version == version:
        return reigning
    _refuse_hand(entries, use_case.name, version)
    digest = open_model(use_case.name, version).card.digest
    at = as_of if reigning is None else max(as_of, reigning.at)
    said = {"reason": reason, "gates": [], "digest": digest}
    evidence = {**said, **promotion_evidence(use_case, version, reigning, at)}
    entry = Entry(use_case.name, "promoted", f"hand:{version}", at, by, version, evidence)
    with effect("record the step"):
        return book.record(entry, expected_seq=len(entries))[0]


def _refuse_hand(entries: Sequence[Entry], model: str, version: int) -> None:
    before = find_rollback(entries, version)
    if before is not None:
        raise Terminal(
            f"{model} version {version} was rolled back on {before.at:%Y-%m-%d}: "
            f"{before.evidence['reason']}; train another one"
        )
    if any(e.key == f"hand:{version}" for e in entries):
        raise Terminal(
            f"{model} version {version} was passed by hand before; to go back to the champion "
            "before, roll back"
        )
