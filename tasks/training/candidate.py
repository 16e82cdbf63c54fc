"""Ledger entry of a registered candidate."""

from __future__ import annotations

from datetime import datetime

from tasks.ledger.entries import make_candidate_registered
from tasks.ledger.evidence import CandidateRegistered
from tasks.ledger.log import Entry
from tasks.models.card import ModelCard


def build_candidate_entry(
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
    evidence = CandidateRegistered(
        origin=origin,
        algorithm=card.algorithm,
        kind=card.kind,
        digest=card.digest,
        trained_until=card.trained_until,
        rows=card.rows,
        threshold=card.threshold,
        holdout=dict(card.holdout),
    )
    return make_candidate_registered(card.use_case, version, as_of, actor, evidence)
