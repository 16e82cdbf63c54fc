"""Ledger entry of a registered candidate."""

from __future__ import annotations

from datetime import datetime
from math import isnan

from tasks.ledger.log import Entry
from tasks.models.card import ModelCard


def candidate_entry(
    card: ModelCard, version: int, origin: str, as_of: datetime, actor: str
) -> Entry:
    """Return the ledger entry of a registered candidate.

    Args:
        card: the model card of the version.
        version: the registered version.
        origin: what asked for the candidate: an alert key, or train:<date>.
        as_of: end of the training window.
        actor: flow and run that registered it.
    """
    evidence = {
        "origin": origin,
        "algorithm": card.algorithm,
        "kind": card.kind,
        "digest": card.digest,
        "trained_until": card.trained_until.isoformat(),
        "rows": card.rows,
        "threshold": card.threshold,
        "holdout": {  # JSON has no NaN
            name: None if isnan(value) else value for name, value in card.holdout.items()
        },
    }
    key = f"candidate:{origin}"
    return Entry(card.use_case, "candidate_registered", key, as_of, actor, version, evidence)
