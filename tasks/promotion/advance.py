"""From candidate to champion, one step at a time, each a compare-and-set insert into the ledger.

candidate ► gate ► (a person) ► roll-out, stage by stage ► champion; or refused on the way, or
deferred until more is known. What the next step is, only the ledger and the YAML say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from configs.clock import write_duration
from configs.errors import Terminal
from configs.schema.use_case import UseCase
from infra.fault_injection import effect
from tasks.ledger.log import Entry, EntryKind, Ledger
from tasks.promotion.candidate_state import CandidateState, read_candidate_state
from tasks.promotion.gate import Decision
from tasks.promotion.stage_review import StageReview
from tasks.rollout import state
from tasks.rollout.state import RunningRollout

JudgeCandidate = Callable[[CandidateState], Decision]
ReviewStage = Callable[[UseCase, Sequence[Entry], datetime], StageReview | None]


@dataclass(frozen=True)
class PromotionStep:
    """What the ledger is to say next about a version."""

    what: EntryKind
    key: str
    evidence: dict[str, Any]


def advance_candidate(
    book: Ledger,
    use_case: UseCase,
    version: int,
    as_of: datetime | None,
    actor: str,
    gate: JudgeCandidate,
    look: ReviewStage,
) -> Entry:
    """Take a version one step further than the ledger has it; the entry of the step.

    The last entry stands where there is nothing to do: it is decided, or a person has not
    answered. Conflict if the ledger moved on in the meantime: look again, the champion may be
    another one by now.
    """
    it = read_candidate_state(use_case, book.entries(use_case.name), version, as_of)
    step = it.decision or next_promotion_step(it, gate, look)
    if isinstance(step, Entry):
        return step
    entry = Entry(use_case.name, step.what, step.key, it.at, actor, version, step.evidence)
    with effect("record the step"):
        return book.record(entry, expected_seq=len(it.entries))[0]


def next_promotion_step(
    it: CandidateState, gate: JudgeCandidate, look: ReviewStage
) -> PromotionStep | Entry:
    """What comes next for a candidate that is not decided; an entry is one that stands."""
    rolling = it.rolling
    if rolling is not None and rolling.version == it.version:
        return _rolled(it, rolling, look)
    if it.answer is not None and it.answer.what == "rejected":
        return _refuse(it, f"rejected by {it.answer.actor}: {it.answer.evidence['reason']}")
    if it.asked is not None and it.answer is None:
        late = _over(it, it.asked.at)
        return _refuse(it, f"nobody approved of it in {late}") if late else it.asked
    if rolling is not None:
        return _defer(it, f"version {rolling.version} rolls out; one at a time", {})
    if it.asked is not None and not _other_champion(it, it.asked.seq):
        return _begin(it, it.asked.evidence)
    return _gated(it, gate)


def _gated(it: CandidateState, gate: JudgeCandidate) -> PromotionStep:
    decision = gate(it)
    evidence = {"reason": decision.reason, **decision.evidence}
    if decision.verdict == "wait":
        return _defer(it, decision.reason, evidence)
    if decision.verdict == "fail":
        return _refuse(it, decision.reason, evidence)
    if it.use_case.approval == "manual" and it.answer is None:
        return PromotionStep("approval_asked", f"approval_asked:{it.version}", evidence)
    return _begin(it, evidence)


def _begin(it: CandidateState, evidence: dict[str, Any]) -> PromotionStep:
    """What the gate let in rolls out, or takes over at once."""
    plan = state.plan_rollout(it.use_case, None if it.champion is None else it.champion.version)
    if plan is None:
        return PromotionStep("promoted", f"decision:{it.version}", {**evidence, **_crown(it)})
    return PromotionStep("rollout_started", f"rollout:{it.version}", {**evidence, **plan})


def _rolled(it: CandidateState, rolling: RunningRollout, look: ReviewStage) -> PromotionStep:
    """What a stage of its own roll-out has shown."""
    found = look(it.use_case, it.entries, it.at)
    if found is None:
        raise Terminal(f"version {it.version} rolls out, but there is nothing to review")
    evidence = {"reason": found.reason, **found.evidence}
    if found.verdict == "fail":
        return _refuse(it, found.reason, {**evidence, "stage": rolling.stage})
    if found.verdict == "wait":
        return PromotionStep("deferred", _today(it), {**evidence, "stage": rolling.stage})
    grown = state.next_rollout_stage(rolling)
    if grown is None:
        return PromotionStep("promoted", f"decision:{it.version}", {**evidence, **_crown(it)})
    return PromotionStep(
        "rollout_grown", f"rollout:{it.version}:{grown['stage']}", {**evidence, **grown}
    )


def _defer(it: CandidateState, reason: str, evidence: dict[str, Any]) -> PromotionStep:
    """Wait for more, but no longer than the gate's patience."""
    if late := _over(it, it.registered.at):
        return _refuse(it, f"not let in within {late}: {reason}", evidence)
    return PromotionStep("deferred", _today(it), {**evidence, "reason": reason})


def _refuse(
    it: CandidateState, reason: str, evidence: dict[str, Any] | None = None
) -> PromotionStep:
    said = {"stage": None, **(evidence or {}), "reason": reason}
    return PromotionStep("refused", f"decision:{it.version}", said)


def _over(it: CandidateState, since: datetime) -> str | None:
    """The gate's patience as it is written, if it is over; None while it is not."""
    patience = it.use_case.gate.patience
    return write_duration(patience) if it.at - since >= patience else None


def _today(it: CandidateState) -> str:
    return f"deferred:{it.version}:{it.at:%Y-%m-%d}"


def _other_champion(it: CandidateState, seq: int) -> bool:
    """Whether somebody else became champion after that entry: what it says is of the one before."""
    return it.champion is not None and it.champion.seq > seq


def _crown(it: CandidateState) -> dict[str, Any]:
    return promotion_evidence(it.use_case, it.version, it.champion, it.at)


def promotion_evidence(
    use_case: UseCase, version: int, before: Entry | None, at: datetime
) -> dict[str, Any]:
    """What every promotion says: of whom, over whom, and until when it can be undone by itself."""
    bakes = before is not None and use_case.bake.window
    return {
        "challenger_version": version,
        "champion_version": None if before is None else before.version,
        "bake_until": (at + use_case.bake.window).isoformat() if bakes else None,
    }
