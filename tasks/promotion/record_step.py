"""Next step of a candidate: gate, approval, rollout stages, promotion or refusal.

candidate ► gate ► approval, if manual or in doubt ► refit, if configured ► rollout, stage by stage
► champion. A candidate is refused on the way, or deferred until more rows are labelled. Only the
ledger and the YAML decide the step, and each step is a compare-and-set insert into the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from configs.clock import write_duration
from configs.errors import Terminal
from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.ledger.descriptions import read_reason
from tasks.ledger.entries import (
    make_approval_asked,
    make_deferred,
    make_promoted,
    make_refused,
    make_rollout_grown,
    make_rollout_started,
)
from tasks.ledger.evidence import (
    ApprovalAsked,
    Deferred,
    GateEvidence,
    PromotionTerms,
    Reason,
    Refused,
    StepEvidence,
    merge_evidence,
    read_evidence,
)
from tasks.ledger.file_digests import FileDigests
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import find_file_digests
from tasks.ledger.refit_entries import make_refit_asked
from tasks.ledger.state import LedgerState, read_ledger_state
from tasks.promotion.candidate_state import CandidateState, read_candidate_state
from tasks.promotion.gate import Decision
from tasks.promotion.stage_review import StageReview
from tasks.rollout.state import RunningRollout, next_rollout_stage, plan_rollout

JudgeCandidate = Callable[[CandidateState], Decision]
ReviewStage = Callable[[UseCase, LedgerState, datetime], StageReview | None]


def advance_candidate(
    book: Ledger,
    use_case: UseCase,
    version: int,
    as_of: datetime | None,
    actor: str,
    gate: JudgeCandidate,
    review: ReviewStage,
) -> Entry:
    """Take a version one step further in the ledger, and return the entry of the step.

    The last entry is returned if there is nothing to do: the version is decided, or an approval or
    its refit is pending. Conflict if the ledger changed in the meantime: retry, the champion may be
    another one.

    Args:
        book: the ledger
        use_case: the use case of the version
        version: the candidate
        as_of: moment of the step; by default that of the last entry about the version
        actor: the run that takes the step
        gate: judges a candidate
        review: reviews the running stage of a rollout
    """
    ledger = read_ledger_state(book, use_case.name)
    candidate = read_candidate_state(use_case, ledger, version, as_of)
    step = candidate.decision or next_promotion_step(candidate, actor, gate, review)
    if is_recorded(step):
        return step
    with effect("record the step"):
        return book.record(step, expected_seq=ledger.seq)[0]


def is_recorded(step: Entry) -> bool:
    """Return whether a step is an entry of the ledger, and not one still to be recorded."""
    return step.seq > 0


def next_promotion_step(
    candidate: CandidateState, actor: str, gate: JudgeCandidate, review: ReviewStage
) -> Entry:
    """Return the next step of an undecided candidate: a new entry, or one it waits for."""
    return _PromotionStep(candidate, actor).choose(gate, review)


class _PromotionStep:
    """The entries that may come next for a candidate, as one actor would write them."""

    def __init__(self, candidate: CandidateState, actor: str) -> None:
        self.candidate, self.use_case = candidate, candidate.use_case
        self._about = (candidate.use_case.name, candidate.version, candidate.at, actor)

    def choose(self, gate: JudgeCandidate, review: ReviewStage) -> Entry:
        """Return the next step."""
        candidate, running = self.candidate, self.candidate.rollout
        request, approval = candidate.approval_request, candidate.approval
        refit = candidate.refit_request
        if running is not None and running.version == candidate.version:
            return self._continue_rollout(running, review)
        if approval is not None and approval.what == "rejected":
            return self._refuse(f"rejected by {approval.actor}: {read_reason(approval)}")
        if request is not None and approval is None:
            patience = self._expired_patience(request.at)
            return self._refuse(f"not approved within {patience}") if patience else request
        if refit is not None and not candidate.is_refitted:
            return refit
        if running is not None:
            return self._defer(f"version {running.version} is in a rollout; one at a time")
        for passed in (refit, request):
            if passed is not None and not self._has_other_champion(passed.seq):
                return self._accept(read_evidence(passed, StepEvidence))
        return self._judge(gate)

    def _judge(self, gate: JudgeCandidate) -> Entry:
        decision = gate(self.candidate)
        evidence = decision.with_reason()
        if decision.verdict == "wait":
            return self._defer(decision.reason, evidence)
        if decision.verdict == "fail":
            return self._refuse(decision.reason, evidence)
        asks_person = self.use_case.approval == "manual" or bool(evidence.doubts)
        if asks_person and self.candidate.approval is None:
            return make_approval_asked(*self._about, merge_evidence(ApprovalAsked, evidence))
        return self._accept(evidence)

    def _accept(self, evidence: StepEvidence) -> Entry:
        """Ask for a refit where the YAML has one; a refit goes on with the evidence of both."""
        if self.use_case.split.refit == "after_gate" and not self.candidate.is_refitted:
            return make_refit_asked(*self._about, evidence)
        if (agreement := self.candidate.agreement) is None:
            return self._begin(evidence)
        table = GateEvidence(gates=[*evidence.gates, *agreement.gates])
        return self._begin(merge_evidence(StepEvidence, evidence, table))

    def _begin(self, evidence: GateEvidence) -> Entry:
        """Start the rollout, or promote at once where the YAML asks for none."""
        plan = plan_rollout(self.use_case, self.candidate.ledger.champion_version)
        if plan is None:
            return self._promote(evidence)
        return make_rollout_started(*self._about, evidence, plan)

    def _continue_rollout(self, running: RunningRollout, review: ReviewStage) -> Entry:
        """Return the step that the review of the running stage asks for."""
        decision = review(self.use_case, self.candidate.ledger, self.candidate.at)
        if decision is None:
            raise Terminal(f"version {running.version} is in a rollout without a stage to review")
        evidence = decision.with_reason()
        if decision.verdict == "fail":
            return self._refuse(decision.reason, evidence, running.stage)
        if decision.verdict == "wait":
            stage = Deferred(stage=running.stage)
            return make_deferred(*self._about, merge_evidence(Deferred, evidence, stage))
        stage_after = next_rollout_stage(running)
        if stage_after is None:
            return self._promote(evidence)
        return make_rollout_grown(*self._about, evidence, stage_after)

    def _promote(self, evidence: GateEvidence) -> Entry:
        ledger, at = self.candidate.ledger, self.candidate.at
        version = self.candidate.version
        files = find_file_digests(ledger.entries, version)
        terms = promotion_terms(self.use_case, version, ledger.champion, at, files)
        return make_promoted(*self._about, evidence, terms)

    def _defer(self, reason: str, evidence: GateEvidence | None = None) -> Entry:
        """Wait for more rows, but no longer than the gate's patience."""
        if patience := self._expired_patience(self.candidate.registered.at):
            return self._refuse(f"not accepted within {patience}: {reason}", evidence)
        parts = [] if evidence is None else [evidence]
        return make_deferred(*self._about, merge_evidence(Deferred, *parts, Reason(reason=reason)))

    def _refuse(
        self, reason: str, evidence: GateEvidence | None = None, stage: int | None = None
    ) -> Entry:
        parts = [] if evidence is None else [evidence]
        refused = Refused(stage=stage, reason=reason)
        return make_refused(*self._about, merge_evidence(Refused, *parts, refused))

    def _expired_patience(self, since: datetime) -> str | None:
        """Return the gate's patience as in the YAML if it has passed since then; else None."""
        patience = self.use_case.gate.patience
        return write_duration(patience) if self.candidate.at - since >= patience else None

    def _has_other_champion(self, seq: int) -> bool:
        """Return whether the champion changed after entry `seq`, whose evidence is then old."""
        champion = self.candidate.champion
        return champion is not None and champion.seq > seq


def promotion_terms(
    use_case: UseCase,
    version: int,
    before: Entry | None,
    at: datetime,
    files: FileDigests | None,
) -> PromotionTerms:
    """Return what every promotion says: version, files, champion before, end of the bake window.

    Args:
        use_case: the use case, whose YAML has the length of the bake window
        version: the version that is promoted
        before: the entry that made the champion before; None for the first champion
        at: moment of the promotion
        files: digests of the version's files; None of a version older than they are
    """
    bakes = before is not None and bool(use_case.bake.window)
    terms = PromotionTerms(
        challenger_version=version,
        champion_version=None if before is None else before.version,
        bake_until=at + use_case.bake.window if bakes else None,
    )
    return terms if files is None else terms.model_copy(update={"files": files})
