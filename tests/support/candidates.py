"""Candidates in a real ledger, and gates and reviews that say what they are told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from configs.schema.loading import load_use_case
from configs.schema.promotion import Bake, Canary, Gate, Rollout
from configs.schema.use_case import UseCase
from tasks.ledger.evidence import GateCheck, GateEvidence
from tasks.ledger.log import Entry, EntryKind, Ledger
from tasks.promotion.candidate_state import CandidateState
from tasks.promotion.gate import Decision, GateOutcome
from tasks.promotion.record_step import advance_candidate

START = datetime(2013, 4, 1, tzinfo=UTC)
NAME = "flights"
CANARY = Canary(shares=(0.1, 0.5), step=timedelta(days=7))


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def rollout_use_case(
    rollout: Rollout | None = None, approval: str = "automatic", **bake: Any
) -> UseCase:
    changes = {
        "rollout": rollout or CANARY,
        "approval": approval,
        "bake": Bake(**bake),
        "gate": Gate(patience=timedelta(days=30)),
    }
    return load_use_case(NAME).model_copy(update=changes)


def record(
    book: Ledger,
    what: EntryKind,
    key: str,
    at: datetime,
    version: int | None = None,
    **evidence: Any,
) -> Entry:
    return book.record(Entry(NAME, what, key, at, "test", version, evidence))[0]


def record_registered(book: Ledger, version: int, at: datetime = START) -> Entry:
    said = {"digest": f"sha {version}", "trained_until": at.isoformat()}
    return record(book, "candidate_registered", f"candidate:train:{version}", at, version, **said)


def says(verdict: GateOutcome, reason: str = "as told") -> Callable[..., Decision]:
    """A gate, or a review, that always says the same."""
    check = GateCheck("metric", "more", "some", verdict)
    return lambda *_: Decision(verdict, reason, GateEvidence(gates=[check]))


def never(*_: object) -> Decision:
    raise AssertionError("nobody should ask this")


def step(
    book: Ledger,
    case: UseCase,
    version: int,
    at: datetime | None = None,
    gate: Callable[[CandidateState], Decision] = never,
    look: Callable[..., Any] = never,
) -> Entry:
    return advance_candidate(book, case, version, at, "promote 1", gate, look)


def happened(entries: Sequence[Entry]) -> list[str]:
    return [f"{e.what} v{e.version}" if e.version is not None else e.what for e in entries]
