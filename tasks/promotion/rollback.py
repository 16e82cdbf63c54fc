"""Rollback: undo a promotion, so that the champion before is champion again.

The standing promotions are a stack: a promotion adds a version on top, a rollback removes the top
one. So a second rollback goes back one version further, and never to a version that was undone.
Only the ledger is needed.
"""

from __future__ import annotations

from datetime import datetime

from configs.errors import Terminal
from infra.fault_injection import effect
from tasks.ledger.entries import make_rolled_back
from tasks.ledger.evidence import RollbackAsked, RolledBack, merge_evidence, read_evidence
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import require_champion
from tasks.ledger.state import LedgerState, read_ledger_state


def roll_back(
    book: Ledger, model: str, promotion: str, at: datetime, actor: str, grounds: RolledBack
) -> Entry | None:
    """Record the rollback of a promotion, and return its entry, old or new.

    None if the promotion is not the current one: there is nothing to undo. Terminal if there is no
    such promotion, or no champion before it. Conflict if the ledger changed in the meantime.

    Args:
        book: the ledger
        model: name of the use case
        promotion: key of the promotion in the ledger
        at: moment from which scoring uses the champion before; not before the promotion
        actor: the run or person that rolls back
        grounds: the reason and what was measured
    """
    ledger = read_ledger_state(book, model)
    if (existing := _find_rollback_of(ledger, promotion)) is not None:
        return existing
    standing, undone = ledger.standing_promotions, _require_promotion(ledger, model, promotion)
    if undone != standing[-1]:
        return None
    if len(standing) == 1:
        raise Terminal(
            f"{model}: version {undone.version} is the first champion, there is no champion before "
            f'it; promote another version: mainspring promote {model} <version> --reason "…"'
        )
    entry = make_rolled_back(undone, standing[-2].version, max(at, undone.at), actor, grounds)
    with effect("record the rollback"):
        return book.record(entry, expected_seq=ledger.seq)[0]


def roll_back_as_asked(
    book: Ledger, model: str, promotion: str, at: datetime, actor: str
) -> Entry | None:
    """Roll a promotion back with the evidence of the request in the ledger; see `roll_back`.

    Args:
        book: the ledger
        model: name of the use case
        promotion: key of the promotion in the ledger
        at: moment from which scoring uses the champion before
        actor: the run that rolls back
    """
    requests = [
        request
        for e in book.entries(model)
        if e.what == "rollback_asked"
        and (request := read_evidence(e, RollbackAsked)).promotion == promotion
    ]
    if requests:
        grounds = merge_evidence(RolledBack, requests[-1], RolledBack(by_hand=False))
    else:
        grounds = RolledBack(reason="a manual run of the rollback flow", by_hand=True)
    return roll_back(book, model, promotion, at, actor, grounds)


def roll_back_by_hand(
    book: Ledger, model: str, at: datetime, by: str, reason: str, *, further: bool = False
) -> Entry | None:
    """Roll the current promotion back because a person decided it; see `roll_back`.

    Idempotent: a champion that a rollback brought back stays. Terminal if there is no champion.

    Args:
        book: the ledger
        model: name of the use case
        at: moment from which scoring uses the champion before
        by: the person
        reason: why
        further: roll back also after a rollback, by one more version
    """
    ledger = read_ledger_state(book, model)
    champion = require_champion(ledger.entries, model)
    if champion.what == "rolled_back" and not further:
        return champion
    grounds = RolledBack(reason=reason, by_hand=True)
    return roll_back(book, model, ledger.standing_promotions[-1].key, at, by, grounds)


def _find_rollback_of(ledger: LedgerState, promotion: str) -> Entry | None:
    rollbacks = (e for e in ledger.entries if e.what == "rolled_back")
    return next((e for e in rollbacks if read_evidence(e, RolledBack).promotion == promotion), None)


def _require_promotion(ledger: LedgerState, model: str, key: str) -> Entry:
    for entry in ledger.entries:
        if entry.what == "promoted" and entry.key == key:
            return entry
    raise Terminal(f"the ledger of {model} has no promotion {key!r}: see mainspring history")
