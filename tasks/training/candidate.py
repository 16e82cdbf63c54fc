"""Ledger entry of a registered candidate."""

from __future__ import annotations

from datetime import datetime

from tasks.ledger.entries import make_candidate_registered
from tasks.ledger.evidence import CandidateRegistered
from tasks.ledger.log import Entry, Ledger
from tasks.models.registry import Model, open_model


def record_candidate(
    book: Ledger, use_case: str, version: int, origin: str, as_of: datetime, actor: str
) -> Entry:
    """Record a registered version once per origin, and return its entry.

    If MLflow was lost, the ledger may have another version of the same origin. The new one is then
    recorded beside it, with its number in the origin.

    Args:
        book: the ledger.
        use_case: name of the use case.
        version: the registered version.
        origin: what asked for the candidate: an alert key, or train:<date>.
        as_of: end of the training window.
        actor: flow and run that registered it.

    Raises:
        BadModel: the version cannot be opened.
    """
    model = open_model(use_case, version)
    entry, _ = book.record(build_candidate_entry(model, origin, as_of, actor))
    if entry.version != version:
        entry, _ = book.record(build_candidate_entry(model, f"{origin}:v{version}", as_of, actor))
    return entry


def build_candidate_entry(model: Model, origin: str, as_of: datetime, actor: str) -> Entry:
    """Return the ledger entry of a registered candidate.

    Args:
        model: the opened version.
        origin: what asked for the candidate: an alert key, or train:<date>.
        as_of: end of the training window.
        actor: flow and run that registered it.
    """
    card = model.card
    evidence = CandidateRegistered(
        origin=origin,
        algorithm=card.algorithm,
        kind=card.kind,
        digest=card.digest,
        files=model.digests,
        one_file=card.one_file_digest,
        trained_until=card.trained_until,
        rows=card.rows,
        threshold=card.threshold,
        holdout=dict(card.holdout),
    )
    if card.refit is not None:
        refit = {"refit_of": card.refit.version, "gates": list(card.refit.gates)}
        evidence = evidence.model_copy(update=refit)
    return make_candidate_registered(card.use_case, model.version, as_of, actor, evidence)
