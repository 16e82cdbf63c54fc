"""Claim of an alert by the one run that retrains for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from configs.errors import Terminal
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry, Ledger


@dataclass(frozen=True)
class RetrainClaim:
    """What a run is to do about an alert, and why.

    train: nobody else does. answered: by `version`, recorded already. covered: by `version`, which
    another alert within the cooldown asked for. busy: somebody else is at it.
    """

    alert: Entry
    verdict: Literal["train", "answered", "covered", "busy"]
    reason: str
    version: int | None = None


def claim_retrain(
    book: Ledger, use_case: UseCase, key: str, run: str, alive: Callable[[str], bool]
) -> RetrainClaim:
    """Claim an alert for a run, once; a claim whose run is no longer `alive` is taken over.

    Training twice for one alert is only waste (one alert registers one version), so a take-over
    needs no record of its own. Terminal if the ledger has no such alert.
    """
    entries = book.entries(use_case.name)
    alert = _alert(entries, key)
    if (done := _candidate(entries, key)) is not None:
        return RetrainClaim(alert, "answered", f"version {done.version} answers it", done.version)
    if (other := _covering_retrain(entries, alert, use_case.retrain.cooldown)) is not None:
        return _claim_after(entries, alert, other)
    evidence = {"alert": key, "run": run}
    mine = Entry(
        alert.model, "retrain_started", f"retrain:{key}", alert.at, f"retrain {run}", None, evidence
    )
    holder = book.record(mine)[0].evidence["run"]
    if holder != run and alive(holder):
        return RetrainClaim(alert, "busy", f"the run {holder} is at it")
    return RetrainClaim(
        alert, "train", f"raised by {alert.actor}: {alert.evidence.get('message', key)}"
    )


def _alert(entries: Sequence[Entry], key: str) -> Entry:
    for entry in entries:
        if entry.what == "alert_raised" and entry.key == key:
            return entry
    raise Terminal(f"the ledger has no alert {key!r}; to train without one, run the train flow")


def _candidate(entries: Sequence[Entry], key: str) -> Entry | None:
    return next((e for e in entries if e.key == f"candidate:{key}"), None)


def _covering_retrain(entries: Sequence[Entry], alert: Entry, cooldown: timedelta) -> Entry | None:
    """The last retraining for another alert, if it began within the cooldown before this one."""
    recent = [
        e
        for e in entries
        if e.what == "retrain_started"
        and e.evidence["alert"] != alert.key
        and e.at <= alert.at < e.at + cooldown
    ]
    return recent[-1] if recent else None


def _claim_after(entries: Sequence[Entry], alert: Entry, started: Entry) -> RetrainClaim:
    """What is left to do about an alert when a retraining began a short while before it."""
    other = started.evidence["alert"]
    found = _candidate(entries, other)
    if found is None:
        return RetrainClaim(alert, "busy", f"{other} was first, and is not answered yet")
    return RetrainClaim(
        alert, "covered", f"{other} was first: version {found.version}", found.version
    )
