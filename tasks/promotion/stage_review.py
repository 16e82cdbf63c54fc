"""Review of the running stage of a rollout: pass, fail, or wait for more rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from configs.clock import write_duration
from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.ledger.evidence import GateCheck, GateEvidence, merge_evidence
from tasks.ledger.state import LedgerState
from tasks.promotion.ab_test import judge_ab_test
from tasks.promotion.gate import Decision, judge_harm
from tasks.promotion.paired_rows import (
    ARM,
    PairedRows,
    both_predictions,
    find_paired_rows,
    pair_rows,
)
from tasks.rollout.assignment import CHALLENGER
from tasks.rollout.prediction_log import read_all_predictions, select_used
from tasks.rollout.state import RunningRollout, find_rollout


@dataclass(frozen=True)
class StageReview(Decision):
    """The verdict on the running stage of a version."""

    version: int
    stage: int

    @property
    def due(self) -> bool:
        """Whether it has a verdict, so that a step is due."""
        return self.verdict != "wait"


def review_stage(use_case: UseCase, ledger: LedgerState, as_of: datetime) -> StageReview | None:
    """Review the running stage with what is known at `as_of`; None if no rollout runs.

    A stage is reviewed when its step has passed, an A/B test always. A stage fails if it has no
    verdict at the end of its patience, or if the champion changed.
    """
    running = find_rollout(ledger.entries)
    if running is None:
        return None
    try:
        decision = _review(use_case, running, ledger.champion_version, as_of)
    except NoRows as missing:
        decision = Decision("wait", str(missing), GateEvidence(gates=[]))
    if decision.verdict == "wait" and as_of - running.since >= running.patience:
        late = f"no verdict within {write_duration(running.patience)}: {decision.reason}"
        decision = Decision("fail", late, decision.evidence)
    return StageReview(
        decision.verdict, decision.reason, decision.evidence, running.version, running.stage
    )


def _review(
    use_case: UseCase, running: RunningRollout, champion: int | None, as_of: datetime
) -> Decision:
    if champion != running.champion:
        changed = f"the champion changed during the rollout (was version {running.champion})"
        return Decision("fail", changed, GateEvidence(gates=[]))
    if as_of < running.since + running.step:
        due = f"the stage is reviewed from {running.since + running.step:%Y-%m-%d %H:%M} on"
        return Decision("wait", due, GateEvidence(gates=[]))
    if running.kind == "ab":
        return judge_ab_test(use_case, running, as_of)
    if running.kind == "blue_green":
        return _judge_readiness(use_case, running, as_of)
    return _judge_harm(use_case, running, as_of)


def _judge_readiness(use_case: UseCase, running: RunningRollout, as_of: datetime) -> Decision:
    """Check that both versions scored every row of the last step that is over."""
    end = running.since + (as_of - running.since) // running.step * running.step
    predictions = read_all_predictions(use_case, end - running.step, end)
    due = select_used(predictions).height
    scored = pair_rows(use_case, predictions, running.version, running.champion).height
    check = GateCheck(
        "readiness",
        f"every row of {write_duration(running.step)} scored by both",
        f"{scored} of {due} rows until {end:%Y-%m-%d %H:%M}",
        "pass" if 0 < due == scored else "wait",
    )
    return _decide_by(check, GateEvidence(rows=due, answered=scored))


def _judge_harm(use_case: UseCase, running: RunningRollout, as_of: datetime) -> Decision:
    """Compare both versions on the rows that both scored, by the margins of `bake`.

    Of a canary only the challenger's arm counts. The stages share one error rate.
    """
    steps = (as_of - running.since) // running.step
    ends = [running.since + number * running.step for number in range(steps, 0, -1)]
    pair = (running.version, running.champion)
    paired = find_paired_rows(use_case, pair, running.since, as_of, ends)
    check = _check_labels(use_case, paired)
    if check.verdict == "wait":
        return _decide_by(check, GateEvidence())
    rows = paired.rows
    if running.kind == "canary":
        rows = rows.filter(pl.col(ARM) == CHALLENGER)
    bake, looks = use_case.bake, len(running.shares)
    decision = judge_harm(
        use_case, rows, *both_predictions(use_case, rows), bake, bake.min_rows, 1 / looks
    )
    table = GateEvidence(gates=[check, *decision.evidence.gates], looks=looks)
    evidence = merge_evidence(GateEvidence, decision.evidence, table)
    return Decision(decision.verdict, decision.reason, evidence)


def _check_labels(use_case: UseCase, paired: PairedRows) -> GateCheck:
    return GateCheck(
        "labels",
        f"{use_case.label.min_coverage:.0%} of the rows labelled, and scored by both",
        f"{paired.rows.height} of {paired.due} rows until {paired.end:%Y-%m-%d %H:%M}",
        "pass" if paired.enough else "wait",
    )


def _decide_by(check: GateCheck, evidence: GateEvidence) -> Decision:
    """Return what one check alone decides: pass or wait."""
    passed = check.verdict == "pass"
    reason = check.measured if passed else f"{check.measured}; required: {check.asked}"
    table = merge_evidence(GateEvidence, evidence, GateEvidence(gates=[check]))
    return Decision("pass" if passed else "wait", reason, table)
