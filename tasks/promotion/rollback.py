"""Undoing a promotion: the champion before reigns again. The ledger is all that it needs.

The promotions that stand are a stack: each one puts a version on top, a rollback takes the top one
off. So a second rollback goes back one version further, and never to a version that was undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from configs.errors import Terminal
from infra.fault_injection import effect
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import require_champion


def standing_promotions(entries: Sequence[Entry]) -> list[Entry]:
    """The promotions that were not undone, oldest first; the last one made the champion."""
    undone = {e.evidence["promotion"] for e in entries if e.what == "rolled_back"}
    return [e for e in entries if e.what == "promoted" and e.key not in undone]


def find_rollback(entries: Sequence[Entry], version: int) -> Entry | None:
    """The rollback by which a version lost its place; None if there was none."""
    losses = (e for e in entries if e.what == "rolled_back" and e.evidence["loser"] == version)
    return next(losses, None)


def roll_back(
    book: Ledger, model: str, promotion: str, at: datetime, actor: str, evidence: dict[str, Any]
) -> Entry | None:
    """Record that a promotion (its key in the ledger) is undone; the entry, old or new.

    None if its version is champion no more: there is nothing to undo. Scoring follows the ledger
    from `at` on, which is never before the promotion. Terminal if there is no such promotion, or
    no champion before it; Conflict if somebody wrote in between.
    """
    entries = book.entries(model)
    known = (e for e in entries if e.what == "rolled_back" and e.evidence["promotion"] == promotion)
    if (before := next(known, None)) is not None:
        return before
    stack = standing_promotions(entries)
    wanted = _promotion(entries, model, promotion)
    if wanted != stack[-1]:
        return None
    if len(stack) == 1:
        raise Terminal(
            f"{model}: version {wanted.version} is the first champion, there is none to go back "
            f'to; pass another one: mainspring promote {model} <version> --reason "…"'
        )
    entry = Entry(
        model=model,
        what="rolled_back",
        key=f"rollback:{wanted.seq}",
        at=max(at, wanted.at),
        actor=actor,
        version=stack[-2].version,
        evidence={"loser": wanted.version, "promotion": promotion, **evidence},
    )
    with effect("record the rollback"):
        return book.record(entry, expected_seq=len(entries))[0]


def roll_back_as_asked(
    book: Ledger, model: str, promotion: str, at: datetime, actor: str
) -> Entry | None:
    """As `roll_back`, on the evidence of the entry that asked for it."""
    asked = [
        e
        for e in book.entries(model)
        if e.what == "rollback_asked" and e.evidence["promotion"] == promotion
    ]
    found = asked[-1].evidence if asked else {"reason": "a run of rollback, by hand"}
    return roll_back(book, model, promotion, at, actor, {**found, "by_hand": not asked})


def roll_back_by_hand(
    book: Ledger, model: str, at: datetime, by: str, reason: str, *, further: bool = False
) -> Entry | None:
    """Undo the champion's promotion, because a person says so; as `roll_back`.

    A champion that a rollback brought back is left alone, so that doing it twice is as once,
    unless it is to go `further` back. Terminal if there is no champion.
    """
    entries = book.entries(model)
    reigning = require_champion(entries, model)
    if reigning.what == "rolled_back" and not further:
        return reigning
    evidence = {"reason": reason, "by_hand": True}
    return roll_back(book, model, standing_promotions(entries)[-1].key, at, by, evidence)


def _promotion(entries: Sequence[Entry], model: str, key: str) -> Entry:
    for entry in entries:
        if entry.what == "promoted" and entry.key == key:
            return entry
    raise Terminal(f"the ledger of {model} has no promotion {key!r}: see mainspring history")
