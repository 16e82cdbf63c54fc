"""Champion against challenger: what the gates say of a promotion, and whether a newer model harms.

Both stand on the same comparison, with the burden of proof turned round: a challenger is let in
only when it is shown to be good, and what is in place is undone only when it is shown to be bad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from configs.clock import moment
from configs.use_case import UseCase
from tasks import gates
from tasks.comparison import Answers, block_of, compare
from tasks.gates import Line, Margins
from tasks.kinds import kind_of
from tasks.ledger import Entry
from tasks.matrix import build_matrix, to_answers

if TYPE_CHECKING:
    from tasks.registry import Model

Outcome = Literal["pass", "fail", "wait"]

__all__ = ["Decision", "Line", "decide", "gate_table", "harm", "judge"]


@dataclass(frozen=True)
class Decision:
    """What the gates say as a whole, why in one sentence, and every number that says so (JSON).

    In the evidence, `gates` has one line per gate and `differences` what was compared, by subject.
    """

    verdict: Outcome
    reason: str
    evidence: dict[str, Any]


def decide(
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
    undone = undone_at(entries, challenger.card.digest)
    if undone is not None:
        fresh = fresh.filter(pl.col(use_case.spine.time) > undone)
    new = answers_of(use_case, challenger, fresh)
    if champion is None:
        old = _constant(use_case, challenger, fresh)
    else:
        old = answers_of(use_case, champion, fresh)
    lines, evidence = _judged(use_case, fresh, new, old, first=champion is None)
    if lines[0].verdict == "pass":
        of_file, footprint = _file_lines(use_case, challenger, fresh)
        lines, evidence = [*lines, *of_file], {**evidence, "footprint": footprint}
    lines.append(gates.undone_line(undone, fresh.height))
    who = {
        "challenger_version": challenger.version,
        "champion_version": None if champion is None else champion.version,
    }
    return _conclude(lines, {**who, **evidence})


def judge(use_case: UseCase, fresh: pl.DataFrame, new: Answers, old: Answers) -> Decision:
    """The gates that stand on answers alone: rows, metric, cost, slices, calibration."""
    return _conclude(*_judged(use_case, fresh, new, old, first=False))


def harm(
    use_case: UseCase,
    rows: pl.DataFrame,
    new: Answers,
    old: Answers,
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
    found = compare(use_case, rows, new, old, looks=looks)
    evidence["differences"] = {of.subject: asdict(of) for of in found}
    lines = [line, *gates.harm_lines(margins, use_case.gate.metric, found)]
    return _conclude(lines, evidence)


def gate_table(evidence: dict[str, Any]) -> list[dict[str, str]]:
    """The lines of a decision's evidence as rows of a table: gate, asked, measured, verdict."""
    return [dict(line) for line in evidence.get("gates", ())]


def answers_of(use_case: UseCase, model: Model, rows: pl.DataFrame) -> Answers:
    """What a model says of rows that hold its inputs. BadConfig if it answers another question."""
    from tasks.registry import predict, require_same_question

    require_same_question(use_case, model)
    value = predict(model, rows)
    return Answers(value, kind_of(use_case).decide(value, model.card.threshold))


def undone_at(entries: Sequence[Entry], digest: str) -> datetime | None:
    """The last prediction time of the evidence on which a file was rolled back last (by hand: the
    moment of it); None if it never was. A file is its sha256, whatever its version.
    """
    files = {e.version: e.evidence["digest"] for e in entries if "digest" in e.evidence}
    undone = [e for e in entries if e.what == "rolled_back"]
    its = [e for e in undone if files.get(e.evidence["loser"]) == digest]
    return max((_evidence_until(e) for e in its), default=None)


def _evidence_until(rollback: Entry) -> datetime:
    to = rollback.evidence.get("to")
    return rollback.at if to is None else moment(datetime.fromisoformat(to))


def _judged(
    use_case: UseCase, fresh: pl.DataFrame, new: Answers, old: Answers, *, first: bool
) -> tuple[list[Line], dict[str, Any]]:
    """The lines on the answers, only that on the rows if there are too few, and their numbers."""
    gate = use_case.gate
    line, evidence = _counted(use_case, "fresh labelled rows", gate.min_rows, fresh)
    evidence |= {"rule": gate.rule, "margin": gate.margin, "confidence": gate.confidence}
    if line.verdict == "wait":
        return [line], evidence
    found = compare(use_case, fresh, new, old, sliced=not first)
    evidence["differences"] = {of.subject: asdict(of) for of in found}
    constant = kind_of(use_case).opponent if first else None
    return [line, *gates.compared_lines(gate, found, constant)], evidence


def _counted(
    use_case: UseCase, gate: str, min_rows: int, rows: pl.DataFrame
) -> tuple[Line, dict[str, Any]]:
    """The line that asks for enough rows, and how many there are, from when to when."""
    times = rows[use_case.spine.time]
    label = rows[use_case.label.column].to_numpy().astype(np.float64)
    blocks = len(np.unique(block_of(times, use_case.gate, use_case.seed)))
    spans = {"from": times.min(), "to": times.max()}
    told = {
        name: at.isoformat() if isinstance(at, datetime) else None for name, at in spans.items()
    }
    line = gates.rows_line(gate, min_rows, label, blocks, kind_of(use_case))
    return line, {"rows": rows.height, **told, "blocks": blocks}


def _constant(use_case: UseCase, challenger: Model, rows: pl.DataFrame) -> Answers:
    """The best answer that is the same for all rows, by what the challenger's holdout knows."""
    kind, card = kind_of(use_case), challenger.card
    best = kind.constant(use_case.gate.metric, card.holdout)
    value = np.full((rows.height, *np.shape(best)), best)
    return Answers(value, kind.decide(value, card.threshold))


def _file_lines(
    use_case: UseCase, model: Model, rows: pl.DataFrame
) -> tuple[list[Line], dict[str, Any]]:
    """Budgets, parity and golden rows, measured here on the file that will run."""
    from tasks.export import CHUNK, measure_footprint
    from tasks.registry import ANSWER, FITTED, SAME, predict

    footprint = measure_footprint(model.onnx, build_matrix(rows[:CHUNK], model.card.inputs))
    now, golden = predict(model, model.golden), model.golden
    fitted, registered = to_answers(golden[FITTED]), to_answers(golden[ANSWER])
    kind = kind_of(use_case)
    lines = [
        *gates.budget_lines(use_case.gate.budgets, footprint),
        gates.parity_line(kind, now, fitted, model.card.threshold, use_case.gate.parity),
        gates.golden_line(kind, now, registered, SAME),
    ]
    return lines, footprint.model_dump()


def _conclude(lines: Sequence[Line], evidence: dict[str, Any]) -> Decision:
    """One failing gate is enough to fail; else one that waits is enough to wait."""
    asked = {line.verdict for line in lines}
    verdict: Outcome = "fail" if "fail" in asked else "wait" if "wait" in asked else "pass"
    table = [asdict(line) for line in lines]
    return Decision(verdict, gates.reason_of(lines), {**evidence, "gates": table})
