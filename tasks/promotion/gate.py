"""Champion/challenger gate: both models on the labelled rows that are fresh to both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

import numpy as np
import polars as pl

from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.evaluation.alpha_spending import ONLY_LOOK, GateLook
from tasks.evaluation.blocks import count_blocks
from tasks.evaluation.bootstrap import Difference, Predictions, compare_models
from tasks.evaluation.influence import find_decisive_block
from tasks.evaluation.kpis.measure import compare_kpis
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.retrieval import build_training_set
from tasks.ledger.evidence import GateCheck, GateEvidence, Reason, StepEvidence, merge_evidence
from tasks.ledger.log import Entry
from tasks.ledger.projections import rolled_back_until
from tasks.models.registry import Model, open_model, require_same_label
from tasks.monitoring.limits.judged_rows import predict_rows
from tasks.promotion import gate_checks
from tasks.promotion.candidate_state import CandidateState
from tasks.promotion.gate_checks import Margins
from tasks.promotion.gate_files import check_model_file
from tasks.promotion.gate_opponents import check_doubts, compare_opponents, find_doubts
from tasks.reporting.problem_type_text import problem_type_text


def judge_candidate(candidate: CandidateState) -> Decision:
    """Judge a candidate on the labelled rows that are later than both models' training.

    Wait while no look is due: each look spends a share of the gate's error rate.
    """
    use_case, ledger, gate_look = candidate.use_case, candidate.ledger, candidate.due_look
    if gate_look is None:
        return wait_for_look(candidate)
    challenger, champion = open_model(use_case.name, candidate.version), None
    if ledger.champion_version is not None:
        champion = open_model(use_case.name, ledger.champion_version)
    try:
        rows = read_fresh_rows(use_case, challenger, champion, candidate.at)
    except NoRows as missing:
        return Decision("wait", f"no fresh labelled rows: {missing}", GateEvidence(gates=[]))
    return decide_promotion(use_case, challenger, champion, rows, ledger.entries, gate_look)


def wait_for_look(candidate: CandidateState) -> Decision:
    """Return the decision to wait for the next look."""
    due = candidate.next_look_time
    reason = f"not shown yet; the next look is due from {due:%Y-%m-%d %H:%M}" if due else "decided"
    return Decision("wait", reason, GateEvidence(gates=[]))


def read_fresh_rows(
    use_case: UseCase, challenger: Model, champion: Model | None, as_of: datetime
) -> pl.DataFrame:
    """Read the labelled rows predicted after both models' training and before `as_of`, or NoRows.

    Args:
        use_case: the use case
        challenger: the candidate's model
        champion: the champion's model; None before the first champion
        as_of: end of the prediction times, and moment by which the labels are known
    """
    seen = [model.card.trained_until for model in (challenger, champion) if model is not None]
    if max(seen) >= as_of:
        raise NoRows(f"one of the models was trained on all rows before {as_of}")
    return build_training_set(use_case, max(seen), as_of, as_of)


GateOutcome = Literal["pass", "fail", "wait"]


@dataclass(frozen=True)
class Decision:
    """The verdict of all checks, its reason in one sentence, and every number behind it."""

    verdict: GateOutcome
    reason: str
    evidence: GateEvidence

    def with_reason(self) -> StepEvidence:
        """Return the evidence with its reason, as an entry keeps it."""
        return merge_evidence(StepEvidence, Reason(reason=self.reason), self.evidence)


def decide_promotion(
    use_case: UseCase,
    challenger: Model,
    champion: Model | None,
    fresh: pl.DataFrame,
    entries: Sequence[Entry],
    gate_look: GateLook = ONLY_LOOK,
) -> Decision:
    """Run all checks of the gate on rows that neither model was fitted or selected on.

    A file that was rolled back is judged on rows later than those that the rollback used. Without a
    champion, the challenger must beat the best constant prediction. Takes about a second more than
    the comparison, since latency and memory are measured again.

    Args:
        use_case: the use case
        challenger: the candidate's model
        champion: the champion's model; None before the first champion
        fresh: inputs, label and prediction time; may be empty
        entries: the model's ledger
        gate_look: the look that is due
    """
    rolled_back = rolled_back_until(entries, challenger.card.digest)
    if rolled_back is not None:
        fresh = fresh.filter(pl.col(use_case.spine.time) > rolled_back)
    new = predict_for_gate(use_case, challenger, fresh)
    if champion is None:
        old = _predict_constant(use_case, challenger, fresh)
    else:
        old = predict_for_gate(use_case, champion, fresh)
    checks, compared = _compare(use_case, fresh, (new, old), gate_look, first=champion is None)
    if champion is None and checks[0].verdict == "pass":
        threshold = challenger.card.threshold
        opponents = compare_opponents(use_case, fresh, new, threshold, gate_look)
        checks += [check for check, _ in opponents]
        beaten = {each.subject: each for _, each in opponents if each is not None}
        differences = GateEvidence(differences=compared.differences | beaten)
        compared = merge_evidence(GateEvidence, compared, differences)
    old_version = None if champion is None else champion.version
    versions = GateEvidence(challenger_version=challenger.version, champion_version=old_version)
    evidence = merge_evidence(GateEvidence, versions, compared)
    if checks[0].verdict == "pass":
        file_checks, footprint = check_model_file(use_case, challenger, fresh)
        checks = [*checks, *file_checks]
        evidence = merge_evidence(GateEvidence, evidence, footprint)
        doubts = find_doubts(use_case, fresh, evidence.differences, entries, first=champion is None)
        if doubts:
            checks.append(check_doubts(doubts))
            evidence = merge_evidence(GateEvidence, evidence, GateEvidence(doubts=doubts))
    checks.append(gate_checks.check_not_rolled_back(rolled_back, fresh.height))
    return _conclude(checks, evidence)


def judge_predictions(
    use_case: UseCase,
    fresh: pl.DataFrame,
    new: Predictions,
    old: Predictions,
    gate_look: GateLook = ONLY_LOOK,
    *,
    explain: bool = True,
) -> Decision:
    """Run the checks that need predictions alone: rows, metric, cost, slices, calibration.

    Args:
        use_case: the use case
        fresh: label, prediction time and the columns of the slices
        new: the challenger's predictions
        old: the champion's predictions
        gate_look: the look that is due
        explain: whether to name a block that decides the verdict
    """
    compared = _compare(use_case, fresh, (new, old), gate_look, first=False, explain=explain)
    return _conclude(*compared)


def judge_harm(
    use_case: UseCase,
    rows: pl.DataFrame,
    new: Predictions,
    old: Predictions,
    margins: Margins,
    min_rows: int,
    share: float = 1.0,
    *,
    explain: bool = True,
) -> Decision:
    """Fail if the newer model is significantly worse by more than a margin; wait with too few rows.

    The interval of a difference is widened for its share of the error rate; slices divide theirs.

    Args:
        use_case: the use case
        rows: label, prediction time and the columns of the slices
        new: predictions of the newer model
        old: predictions of the older model
        margins: loss that is tolerated, of the metric, the cost and the metric in a slice
        min_rows: labelled rows that are required
        share: part of the error rate that each difference may spend
        explain: whether to name a block that decides the verdict
    """
    check, evidence = _count_rows(use_case, "labelled rows", min_rows, rows)
    if check.verdict == "wait":
        return _conclude([check], evidence)
    differences = compare_models(use_case, rows, new, old, share=share)
    checks = [check, *gate_checks.check_harm(margins, use_case.gate.metric, differences)]
    compared = GateEvidence(differences={each.subject: each for each in differences})

    def is_bearable(difference: Difference) -> bool:
        return not gate_checks.is_shown_worse(difference, margins.margin * difference.unit)

    if explain:
        checks += _find_influence(use_case, rows, (new, old), differences[0], is_bearable)
    return _conclude(checks, merge_evidence(GateEvidence, evidence, compared))


def predict_for_gate(use_case: UseCase, model: Model, rows: pl.DataFrame) -> Predictions:
    """Predict rows that hold a model's inputs; BadConfig if it was trained for another label."""
    require_same_label(use_case, model)
    return predict_rows(use_case, model, rows)


def _compare(
    use_case: UseCase,
    fresh: pl.DataFrame,
    models: tuple[Predictions, Predictions],
    gate_look: GateLook,
    *,
    first: bool,
    explain: bool = True,
) -> tuple[list[GateCheck], GateEvidence]:
    """Return the checks of the predictions and their numbers; only the row count with few rows."""
    gate = use_case.gate
    check, counted = _count_rows(use_case, "fresh labelled rows", gate.min_rows, fresh)
    rule = GateEvidence(rule=gate.rule, margin=gate.margin, confidence=gate.confidence)
    evidence = merge_evidence(GateEvidence, counted, rule)
    if check.verdict == "wait":
        return [check], evidence
    by_risk = gate.rule == "expected_gain"
    differences = compare_models(
        use_case, fresh, *models, share=gate_look.share, sliced=not first, by_risk=by_risk
    )
    constant = problem_type_text(problem_type_of(use_case)).baseline if first else None
    checks = gate_checks.check_comparison(gate, differences, constant, final=gate_look.final)
    kpis = compare_kpis(use_case, fresh, *models, share=gate_look.share)
    checks += gate_checks.check_kpis(use_case.kpis, kpis)
    if explain:
        accepts = partial(gate_checks.is_shown_better, gate)
        checks += _find_influence(use_case, fresh, models, differences[0], accepts)
    compared = GateEvidence(differences={each.subject: each for each in (*differences, *kpis)})
    following = gate_look.following
    if following and checks[0].verdict == "wait":
        checks.append(gate_checks.check_look(gate_look.number, gate_look.planned, following))
    if gate_look.planned > 1:
        taken = GateEvidence(look_number=gate_look.number, looks=gate_look.planned)
        compared = merge_evidence(GateEvidence, compared, taken)
    return [check, *checks], merge_evidence(GateEvidence, evidence, compared)


def _find_influence(
    use_case: UseCase,
    rows: pl.DataFrame,
    models: tuple[Predictions, Predictions],
    difference: Difference,
    accepts: Callable[[Difference], bool],
) -> list[GateCheck]:
    """Return a row of the table if one block decides the verdict on gate.metric; else none."""
    block = find_decisive_block(use_case, rows, models, difference, accepts)
    return [] if block is None else [gate_checks.describe_influence(difference.subject, block)]


def _count_rows(
    use_case: UseCase, gate: str, min_rows: int, rows: pl.DataFrame
) -> tuple[GateCheck, GateEvidence]:
    """Return the check that requires enough rows, and their number, times and blocks."""
    times, label = rows[use_case.spine.time], rows[use_case.label.column].to_numpy()
    blocks = count_blocks(times, use_case.gate, use_case.seed, use_case.zone)
    first, last = (at if isinstance(at, datetime) else None for at in (times.min(), times.max()))
    kind = problem_type_of(use_case)
    check = gate_checks.check_row_count(gate, min_rows, label.astype(np.float64), blocks, kind)
    return check, GateEvidence(rows=rows.height, from_=first, to=last, blocks=blocks)


def _predict_constant(use_case: UseCase, challenger: Model, rows: pl.DataFrame) -> Predictions:
    """Predict the best constant for all rows, by the challenger's holdout."""
    kind, card = problem_type_of(use_case), challenger.card
    best = kind.best_constant(use_case.gate.metric, card.holdout)
    value = np.full((rows.height, *np.shape(best)), best)
    return Predictions(value, kind.decide(value, card.threshold))


def _conclude(checks: Sequence[GateCheck], evidence: GateEvidence) -> Decision:
    """Return the decision: one failed check fails it, else one that waits makes it wait."""
    verdicts = {check.verdict for check in checks}
    verdict: GateOutcome = (
        "fail" if "fail" in verdicts else "wait" if "wait" in verdicts else "pass"
    )
    table = GateEvidence(gates=list(checks))
    return Decision(
        verdict,
        gate_checks.summarise_checks(checks),
        merge_evidence(GateEvidence, evidence, table),
    )
