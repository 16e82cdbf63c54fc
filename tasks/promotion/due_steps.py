"""Due steps: the candidates that can take their next step, as the monitor finds them."""

from __future__ import annotations

from datetime import datetime

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.features import retrieval
from tasks.ledger.descriptions import read_reason
from tasks.ledger.entries import make_step_asked
from tasks.ledger.evidence import CandidateRegistered, GateEvidence, read_evidence
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import find_deferral
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.monitoring.episodes import MONITOR_ACTOR
from tasks.promotion.candidate_state import CandidateState, read_candidate_state
from tasks.promotion.gate import Decision, GateOutcome, wait_for_look
from tasks.promotion.record_step import (
    JudgeCandidate,
    ReviewStage,
    is_recorded,
    next_promotion_step,
)
from tasks.promotion.stage_review import review_stage


def find_due_steps(
    use_case: UseCase,
    ledger: LedgerState,
    as_of: datetime,
    gate: JudgeCandidate,
    review: ReviewStage,
) -> list[Entry]:
    """Return a request for each candidate whose next step at `as_of` is no deferral.

    A candidate is left out if a request of it is unanswered, or if it was deferred on this day.

    Args:
        use_case: the use case
        ledger: state of its ledger
        as_of: moment at which the steps are due
        gate: judges only whether there are enough rows
        review: reviews the running stage of a rollout
    """
    past = ledger.at(as_of)
    busy = {e.version for e in past.unanswered if e.what != "alert_raised"}
    requests = []
    for version in dict.fromkeys(e.version for e in past.undecided_candidates):
        if version is None or version in busy or find_deferral(ledger.entries, version, as_of):
            continue
        candidate = read_candidate_state(use_case, past, version, as_of)
        step = next_promotion_step(candidate, MONITOR_ACTOR, gate, review)
        if not is_recorded(step) and step.what != "deferred":
            reason = read_reason(step)
            requests.append(make_step_asked(use_case.name, version, as_of, MONITOR_ACTOR, reason))
    return requests


def has_enough_rows(candidate: CandidateState) -> Decision:
    """Judge only whether a look is due with enough fresh labels, which needs no features."""
    if candidate.due_look is None:
        return wait_for_look(candidate)
    count, required = _count_fresh_labels(candidate), candidate.use_case.gate.min_rows
    verdict: GateOutcome = "pass" if count >= required else "wait"
    return Decision(verdict, f"{count} fresh labelled rows", GateEvidence())


def _count_fresh_labels(candidate: CandidateState) -> int:
    """Count the known labels of rows predicted after both models' training."""
    versions = {candidate.version, candidate.ledger.champion_version}
    trained = [
        read_evidence(e, CandidateRegistered).trained_until
        for e in candidate.ledger.entries
        if e.what == "candidate_registered" and e.version in versions
    ]
    start = max(until for until in trained if until is not None)
    if start >= candidate.at:
        return 0
    try:
        return retrieval.build_labels(candidate.use_case, start, candidate.at, candidate.at).height
    except NoRows:
        return 0


def record_due_steps(book: Ledger, use_case: UseCase, as_of: datetime) -> list[Entry]:
    """Record the requests that `find_due_steps` finds in the lake; return them."""
    ledger = read_ledger_state(book, use_case.name)
    requests = find_due_steps(use_case, ledger, as_of, has_enough_rows, review_stage)
    for entry in requests:
        with effect("ask for a step"):
            book.record(entry)
    return requests
