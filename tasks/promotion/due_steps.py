"""Which candidates can go on by now: the monitor has the time, so it asks for their next step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from configs.clock import utc_or_now
from configs.errors import NoRows
from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.features import retrieval
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import list_unanswered, list_undecided_candidates
from tasks.promotion.advance import JudgeCandidate, PromotionStep, ReviewStage, next_promotion_step
from tasks.promotion.candidate_state import CandidateState, read_candidate_state
from tasks.promotion.gate import Decision
from tasks.promotion.stage_review import review_stage


def find_due_steps(
    use_case: UseCase,
    entries: Sequence[Entry],
    as_of: datetime,
    gate: JudgeCandidate,
    look: ReviewStage,
) -> list[Entry]:
    """The asks for what would not be deferred again at `as_of`, one a version and day.

    `gate` need only say whether there is enough to judge by. Nothing is asked twice: what is
    unanswered, or was deferred on this day, is left alone.
    """
    past = [e for e in entries if e.at <= as_of]
    busy = {e.version for e in list_unanswered(past) if e.what != "alert_raised"}
    known = {e.key for e in entries}
    versions = dict.fromkeys(e.version for e in list_undecided_candidates(past))
    found = []
    for version in versions:
        today = f"{version}:{as_of:%Y-%m-%d}"
        if version is None or version in busy or f"deferred:{today}" in known:
            continue
        step = next_promotion_step(read_candidate_state(use_case, past, version, as_of), gate, look)
        if isinstance(step, PromotionStep) and step.what != "deferred":
            said = {"reason": step.evidence["reason"]}
            key = f"step:{today}"
            found.append(Entry(use_case.name, "step_asked", key, as_of, "monitor", version, said))
    return found


def has_enough_rows(it: CandidateState) -> Decision:
    """Whether there are as many fresh labels as the gate asks for: counted without features."""
    count, asked = _fresh_labels(it), it.use_case.gate.min_rows
    return Decision("pass" if count >= asked else "wait", f"{count} fresh labelled rows", {})


def _fresh_labels(it: CandidateState) -> int:
    """Labels known by now of what is predicted after both models' training."""
    versions = {it.version, None if it.champion is None else it.champion.version}
    registered = [
        e for e in it.entries if e.what == "candidate_registered" and e.version in versions
    ]
    seen = [utc_or_now(datetime.fromisoformat(e.evidence["trained_until"])) for e in registered]
    if max(seen) >= it.at:
        return 0
    try:
        return retrieval.build_labels(it.use_case, max(seen), it.at, it.at).height
    except NoRows:
        return 0


def record_due_steps(book: Ledger, use_case: UseCase, as_of: datetime) -> list[Entry]:
    """Record what `due_steps` finds by the lake; the entries."""
    due = find_due_steps(
        use_case, book.entries(use_case.name), as_of, has_enough_rows, review_stage
    )
    for entry in due:
        with effect("ask for a step"):
            book.record(entry)
    return due
