"""Manual promotion: a person makes a version champion without the gate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from configs.errors import Terminal
from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.ledger.descriptions import read_reason
from tasks.ledger.entries import make_manually_promoted
from tasks.ledger.evidence import Promoted, merge_evidence
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import count_manual_promotions, find_rollback
from tasks.ledger.state import read_ledger_state
from tasks.models.registry import open_model
from tasks.promotion.record_step import promotion_terms


def promote_manually(
    book: Ledger, use_case: UseCase, version: int, as_of: datetime, by: str, reason: str
) -> Entry:
    """Promote a version without the gate, and return the entry, old or new.

    The bake window compares it like any other champion. A version that was champion before may be
    promoted again. BadModel if there is no such version or its files are invalid. Terminal if it
    was rolled back before.

    Args:
        book: the ledger
        use_case: the use case of the version
        version: the version to promote
        as_of: moment from which it is champion
        by: the person
        reason: why
    """
    ledger = read_ledger_state(book, use_case.name)
    champion = ledger.champion
    if champion is not None and champion.version == version:
        return champion
    _require_not_rolled_back(ledger.entries, use_case.name, version)
    model = open_model(use_case.name, version)
    at = as_of if champion is None else max(as_of, champion.at)
    decision = Promoted(reason=reason, gates=[], digest=model.card.digest)
    terms = promotion_terms(use_case, version, champion, at, model.digests)
    evidence = merge_evidence(Promoted, decision, terms)
    earlier = count_manual_promotions(ledger.entries, version)
    entry = make_manually_promoted(use_case.name, version, at, by, evidence, earlier)
    with effect("record the step"):
        return book.record(entry, expected_seq=ledger.seq)[0]


def _require_not_rolled_back(entries: Sequence[Entry], model: str, version: int) -> None:
    rollback = find_rollback(entries, version)
    if rollback is not None:
        raise Terminal(
            f"{model} version {version} was rolled back on {rollback.at:%Y-%m-%d}: "
            f"{read_reason(rollback)}. Train another one, or promote an earlier champion: "
            f"mainspring history {model} lists them"
        )
