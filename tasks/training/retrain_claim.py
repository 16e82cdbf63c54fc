"""Claim of an alert by the one run that retrains for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from configs.errors import Terminal
from configs.schema.use_case import UseCase
from tasks.ledger.descriptions import read_reason
from tasks.ledger.entries import make_retrain_started
from tasks.ledger.evidence import RetrainStarted, read_evidence
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import find_candidate


@dataclass(frozen=True)
class RetrainClaim:
    """The outcome of a claim, with its reason.

    train: this run trains. answered: `version` is the alert's candidate. covered: `version` was
    trained for another alert within the cooldown. busy: another run trains.
    """

    alert: Entry
    verdict: Literal["train", "answered", "covered", "busy"]
    reason: str
    version: int | None = None


def claim_retrain(
    book: Ledger, use_case: UseCase, key: str, run: str, alive: Callable[[str], bool]
) -> RetrainClaim:
    """Claim an alert for a run; take over a claim whose run is no longer alive.

    Args:
        book: the ledger.
        use_case: the use case of the alert.
        key: key of the alert.
        run: id of the flow run that claims.
        alive: whether a flow run, by id, can still train.

    Raises:
        Terminal: the alert is not found in the ledger.
    """
    entries = book.entries(use_case.name)
    alert = _alert(entries, key)
    if (done := find_candidate(entries, key)) is not None:
        return RetrainClaim(
            alert, "answered", f"version {done.version} is its candidate", done.version
        )
    if (other := _covering_retrain(entries, alert, use_case.retrain.cooldown)) is not None:
        return _claim_after(entries, alert, other)
    claim, _ = book.record(make_retrain_started(alert, run))
    holder = read_evidence(claim, RetrainStarted).run
    # a second training wastes time but registers no second version, so a take-over is not recorded
    if holder != run and alive(holder):
        return RetrainClaim(alert, "busy", f"flow run {holder} is training")
    return RetrainClaim(alert, "train", f"raised by {alert.actor}: {read_reason(alert) or key}")


def _alert(entries: Sequence[Entry], key: str) -> Entry:
    for entry in entries:
        if entry.what == "alert_raised" and entry.key == key:
            return entry
    raise Terminal(
        f"alert {key!r} not found in the ledger. To train without an alert, run the train flow"
    )


def _covering_retrain(entries: Sequence[Entry], alert: Entry, cooldown: timedelta) -> Entry | None:
    """The last retraining for another alert, if it began within the cooldown before this one."""
    recent = [
        e
        for e in entries
        if e.what == "retrain_started"
        and read_evidence(e, RetrainStarted).alert != alert.key
        and e.at <= alert.at < e.at + cooldown
    ]
    return recent[-1] if recent else None


def _claim_after(entries: Sequence[Entry], alert: Entry, started: Entry) -> RetrainClaim:
    """Return the claim of an alert that follows another retraining within the cooldown."""
    other = read_evidence(started, RetrainStarted).alert
    found = find_candidate(entries, other)
    if found is None:
        return RetrainClaim(alert, "busy", f"{other} is being trained for")
    return RetrainClaim(alert, "covered", f"{other} has version {found.version}", found.version)
