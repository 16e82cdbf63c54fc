"""Constructors of the entries of a refit: the request for it, and the reason for none."""

from __future__ import annotations

from datetime import datetime

from tasks.ledger.evidence import GateEvidence, Reason
from tasks.ledger.keys import refit_dropped_key, refit_key
from tasks.ledger.log import Entry


def make_refit_asked(
    model: str, version: int, at: datetime, actor: str, gate: GateEvidence
) -> Entry:
    """Return the entry that asks for a refit, with the evidence of the gate that was passed."""
    return Entry(model, "refit_asked", refit_key(version), at, actor, version, gate.to_json())


def make_refit_dropped(request: Entry, actor: str, reason: str) -> Entry:
    """Return the entry that says why the version of a request has no refit."""
    assert request.version is not None
    key, evidence = refit_dropped_key(request.version), Reason(reason=reason)
    return Entry(
        request.model, "refit_dropped", key, request.at, actor, request.version, evidence.to_json()
    )
