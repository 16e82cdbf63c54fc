"""A candidate on its way: registered as a version, recorded in the ledger, told to who decides."""

from __future__ import annotations

from datetime import datetime
from math import isnan

from tasks.ledger.log import Entry
from tasks.models.card import ModelCard


def candidate_entry(
    card: ModelCard, version: int, origin: str, as_of: datetime, actor: str
) -> Entry:
    """The ledger's entry of a registered candidate."""
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
