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
from tasks.ledger.retrain_cooldown import list_retrains_in_cooldown


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
    alert = _find_alert(entries, key)
    if (candidate := find_candidate(entries, key)) is not None:
        return RetrainClaim(
            alert, "answered", f"version {candidate.version} is its candidate", candidate.version
        )
    if (other := _covering_retrain(entries, alert, use_case.retrain.cooldown)) is not None:
        return _claim_after(entries, alert, other)
    claim, _ = book.record(make_retrain_started(alert, run))
    holder = read_evidence(claim, RetrainStarted).run
    # a second training wastes time but registers no second version, so a take-over is not recorded
    if holder != run and alive(holder):
        return RetrainClaim(alert, "busy", f"flow run {holder} is training")
    return RetrainClaim(alert, "train", f"raised by {alert.actor}: {read_reason(alert) or key}")


def _find_alert(entries: Sequence[Entry], key: str) -> Entry:
    for entry in entries:
        if entry.what == "alert_raised" and entry.key == key:
            return entry
    raise Terminal(
        f"alert {key!r} not found in the ledger. To train without an alert, run the train flow"
    )


def _covering_retrain(entries: Sequence[Entry], alert: Entry, cooldown: timedelta) -> Entry | None:
    """Return the last retraining for another alert that started within the cooldown before."""
    others = [
        e
        for e in list_retrains_in_cooldown(entries, alert.at, cooldown)
        if read_evidence(e, RetrainStarted).alert != alert.key
    ]
    return others[-1] if others else None


def _claim_after(entries: Sequence[Entry], alert: Entry, started: Entry) -> RetrainClaim:
    """Return the claim of an alert that follows another retraining within the cooldown."""
    other = read_evidence(started, RetrainStarted).alert
    candidate = find_candidate(entries, other)
    if candidate is None:
        return RetrainClaim(alert, "busy", f"{other} is being trained for")
    return RetrainClaim(
        alert, "covered", f"{other} has version {candidate.version}", candidate.version
    )
