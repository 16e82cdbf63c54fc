"""The gate of a candidate: both models opened, on the rows that are fresh to both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import polars as pl

from configs.clock import utc_or_now
from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions, assign_blocks, compare_models
from tasks.evaluation.prediction_columns import to_prediction_array
from tasks.evaluation.problem_types import problem_type_of
from tasks.features.retrieval import build_training_set
from tasks.ledger.log import Entry
from tasks.models.matrix import build_matrix
from tasks.models.registry import Model, open_model
from tasks.promotion import gate_checks
from tasks.promotion.candidate_state import CandidateState
from tasks.promotion.gate_checks import GateCheck, Margins
from tasks.reporting.problem_type_text import problem_type_text


def judge_candidate(it: CandidateState) -> Decision:
    """The gate, on rows later than all that either model has seen, labels known by then."""
    challenger, current = open_model(it.use_case.name, it.version), None
    if it.champion is not None and it.champion.version is not None:
        current = open_model(it.use_case.name, it.champion.version)
    try:
        rows = read_fresh_rows(it.use_case, challenger, current, it.at)
    except NoRows as none:
        return Decision("wait", f"no fresh labelled rows: {none}", {"gates": []})
    return decide_promotion(it.use_case, challenger, current, rows, it.entries)


def read_fresh_rows(
    use_case: UseCase, challenger: Model, current: Model | None, as_of: datetime
) -> pl.DataFrame:
    """Labelled rows predicted after both models' training and before `as_of`; NoRows if none is."""
    seen = [model.card.trained_until for model in (challenger, current) if model is not None]
    if max(seen) >= as_of:
        raise NoRows(f"one of the models has seen everything before {as_of}")
    return build_training_set(use_case, max(seen), as_of, as_of)


GateOutcome = Literal["pass", "fail", "wait"]


@dataclass(frozen=True)
class Decision:
    """What the gates say as a whole, why in one sentence, and every number that says so (JSON).

    In the evidence, `gates` has one line per gate and `differences` what was compared, by subject.
    """

    verdict: GateOutcome
    reason: str
    evidence: dict[str, Any]


def decide_promotion(
    use_case: UseCase,
    challenger: Model,
    champion: Model | None,
    fresh: pl.DataFrame,
    entries: Sequence[Entry],
) -> Decision:
    """All gates, on labelled rows that neither model was fitted or selected on.

    `fresh` holds inputs, label and prediction time, and may be empty. `entries` is the model's
    ledger: a file that was rolled back is judged on rows later than those that undid it. Without a
    champion the challenger must beat the best constant: for an event, how often it happens.
    Takes about a second more than the comparison: speed and memory are measured again.
    """
    undone = rolled_back_until(entries, challenger.card.digest)
    if undone is not None:
        fresh = fresh.filter(pl.col(use_case.spine.time) > undone)
    new = predict_for_gate(use_case, challenger, fresh)
    if champion is None:
        old = _constant(use_case, challenger, fresh)
    else:
        old = predict_for_gate(use_case, champion, fresh)
    lines, evidence = _judged(use_case, fresh, new, old, first=champion is None)
    if lines[0].verdict == "pass":
        of_file, footprint = _file_lines(use_case, challenger, fresh)
        lines, evidence = [*lines, *of_file], {**evidence, "footprint": footprint}
    lines.append(gate_checks.check_not_rolled_back(undone, fresh.height))
    who = {
        "challenger_version": challenger.version,
        "champion_version": None if champion is None else champion.version,
    }
    return _conclude(lines, {**who, **evidence})


def judge_predictions(
    use_case: UseCase, fresh: pl.DataFrame, new: Predictions, old: Predictions
) -> Decision:
    """The gates that stand on answers alone: rows, metric, cost, slices, calibration."""
    return _conclude(*_judged(use_case, fresh, new, old, first=False))


def judge_harm(
    use_case: UseCase,
    rows: pl.DataFrame,
    new: Predictions,
    old: Predictions,
    margins: Margins,
    min_rows: int,
    looks: int = 1,
) -> Decision:
    """Fail where the newer model is shown to be worse: by more than a margin, and with an interval
    that lies below 0, widened for the number of slices and of `looks`.

    `rows` hold label, prediction time and the slices' columns; wait with too few rows or blocks.
    """
    line, evidence = _counted(use_case, "labelled rows", min_rows, rows)
    evidence = {**evidence, "looks": looks}
    if line.verdict == "wait":
        return _conclude([line], evidence)
    found = compare_models(use_case, rows, new, old, looks=looks)
    evidence["differences"] = {of.subject: asdict(of) for of in found}
    lines = [line, *gate_checks.check_harm(margins, use_case.gate.metric, found)]
    return _conclude(lines, evidence)


def predict_for_gate(use_case: UseCase, model: Model, rows: pl.DataFrame) -> Predictions:
    """What a model says of rows that hold its inputs. BadConfig if it answers another question."""
    from tasks.models.registry import predict, require_same_label

    require_same_label(use_case, model)
    value = predict(model, rows)
    return Predictions(value, problem_type_of(use_case).decide(value, model.card.threshold))


def rolled_back_until(entries: Sequence[Entry], digest: str) -> datetime | None:
    """The last prediction time of the evidence on which a file was rolled back last (by hand: the
    moment of it); None if it never was. A file is its sha256, whatever its version.
    """
    files = {e.version: e.evidence["digest"] for e in entries if "digest" in e.evidence}
    undone = [e for e in entries if e.what == "rolled_back"]
    its = [e for e in undone if files.get(e.evidence["loser"]) == digest]
    return max((_evidence_until(e) for e in its), default=None)


def _evidence_until(rollback: Entry) -> datetime:
    to = rollback.evidence.get("to")
    return rollback.at if to is None else utc_or_now(datetime.fromisoformat(to))


def _judged(
    use_case: UseCase, fresh: pl.DataFrame, new: Predictions, old: Predictions, *, first: bool
) -> tuple[list[GateCheck], dict[str, Any]]:
    """The lines on the answers, only that on the rows if there are too few, and their numbers."""
    gate = use_case.gate
    line, evidence = _counted(use_case, "fresh labelled rows", gate.min_rows, fresh)
    evidence |= {"rule": gate.rule, "margin": gate.margin, "confidence": gate.confidence}
    if line.verdict == "wait":
        return [line], evidence
    found = compare_models(use_case, fresh, new, old, sliced=not first)
    evidence["differences"] = {of.subject: asdict(of) for of in found}
    constant = problem_type_text(problem_type_of(use_case)).baseline if first else None
    return [line, *gate_checks.check_comparison(gate, found, constant)], evidence


def _counted(
    use_case: UseCase, gate: str, min_rows: int, rows: pl.DataFrame
) -> tuple[GateCheck, dict[str, Any]]:
    """The line that asks for enough rows, and how many there are, from when to when."""
    times = rows[use_case.spine.time]
    label = rows[use_case.label.column].to_numpy().astype(np.float64)
    blocks = len(np.unique(assign_blocks(times, use_case.gate, use_case.seed)))
    spans = {"from": times.min(), "to": times.max()}
    told = {
        name: at.isoformat() if isinstance(at, datetime) else None for name, at in spans.items()
    }
    line = gate_checks.check_row_count(gate, min_rows, label, blocks, problem_type_of(use_case))
    return line, {"rows": rows.height, **told, "blocks": blocks}


def _constant(use_case: UseCase, challenger: Model, rows: pl.DataFrame) -> Predictions:
    """The best answer that is the same for all rows, by what the challenger's holdout knows."""
    kind, card = problem_type_of(use_case), challenger.card
    best = kind.best_constant(use_case.gate.metric, card.holdout)
    value = np.full((rows.height, *np.shape(best)), best)
    return Predictions(value, kind.decide(value, card.threshold))


def _file_lines(
    use_case: UseCase, model: Model, rows: pl.DataFrame
) -> tuple[list[GateCheck], dict[str, Any]]:
    """Budgets, parity and golden rows, measured here on the file that will run."""
    from tasks.models.artifact import GOLDEN_ESTIMATOR, GOLDEN_ONNX
    from tasks.models.file_integrity import GOLDEN_TOLERANCE
    from tasks.models.footprint import measure_footprint
    from tasks.models.onnx_session import ONNX_BATCH_ROWS
    from tasks.models.registry import predict

    footprint = measure_footprint(
        model.onnx, build_matrix(rows[:ONNX_BATCH_ROWS], model.card.inputs)
    )
    now, golden = predict(model, model.golden), model.golden
    fitted, registered = (
        to_prediction_array(golden[GOLDEN_ESTIMATOR]),
        to_prediction_array(golden[GOLDEN_ONNX]),
    )
    kind = problem_type_of(use_case)
    lines = [
        *gate_checks.check_budgets(use_case.gate.budgets, footprint),
        gate_checks.check_golden_parity(
            kind, now, fitted, model.card.threshold, use_case.gate.parity
        ),
        gate_checks.check_golden_rows(kind, now, registered, GOLDEN_TOLERANCE),
    ]
    return lines, footprint.model_dump()


def _conclude(lines: Sequence[GateCheck], evidence: dict[str, Any]) -> Decision:
    """One failing gate is enough to fail; else one that waits is enough to wait."""
    asked = {line.verdict for line in lines}
    verdict: GateOutcome = "fail" if "fail" in asked else "wait" if "wait" in asked else "pass"
    table = [asdict(line) for line in lines]
    return Decision(verdict, gate_checks.summarise_checks(lines), {**evidence, "gates": table})
