"""A version passed around the gate, because a person says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from configs.errors import Terminal
from configs.faults import effect
from configs.use_case import UseCase
from tasks.ledger import Entry, Ledger, champion
from tasks.registry import open_model
from tasks.rollback import undone
from tasks.takeover import crown


def pass_by_hand(
    book: Ledger, use_case: UseCase, version: int, as_of: datetime, by: str, reason: str
) -> Entry:
    """Promote a version around the gate, because a person says so; the entry, old or new.

    The bake window watches it like any other. BadModel if there is no such version or its file
    does not hold; Terminal if it was rolled back before, or passed by hand once already.
    """
    entries = book.entries(use_case.name)
    reigning = champion(entries)
    if reigning is not None and reigning.version == version:
        return reigning
    _refuse_hand(entries, use_case.name, version)
    digest = open_model(use_case.name, version).card.digest
    at = as_of if reigning is None else max(as_of, reigning.at)
    said = {"reason": reason, "gates": [], "digest": digest}
    evidence = {**said, **crown(use_case, version, reigning, at)}
    entry = Entry(use_case.name, "promoted", f"hand:{version}", at, by, version, evidence)
    with effect("record the step"):
        return book.record(entry, expected_seq=len(entries))[0]


def _refuse_hand(entries: Sequence[Entry], model: str, version: int) -> None:
    before = undone(entries, version)
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
