"""What a running stage of a roll-out has shown: pass, fail, or wait for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl

from configs.clock import write_duration
from configs.errors import NoRows
from configs.schema.use_case import UseCase
from tasks.ledger.log import Entry
from tasks.ledger.projections import find_champion
from tasks.promotion.ab_test import judge_ab_test
from tasks.promotion.gate import Decision, GateOutcome, judge_harm
from tasks.promotion.gate_checks import GateCheck
from tasks.promotion.paired_rows import PairedRows, both_predictions, find_paired_rows, pair_rows
from tasks.rollout.assignment import CHALLENGER
from tasks.rollout.prediction_log import read_all_predictions, select_used
from tasks.rollout.state import RunningRollout, find_rollout


@dataclass(frozen=True)
class StageReview:
    """The verdict on the stage of the version that rolls out, and what it stands on (JSON)."""

    version: int
    stage: int
    verdict: GateOutcome
    reason: str
    evidence: dict[str, Any]

    @property
    def due(self) -> bool:
        """Whether it has an answer, so that a step is worth asking for."""
        return self.verdict != "wait"


def review_stage(
    use_case: UseCase, entries: Sequence[Entry], as_of: datetime
) -> StageReview | None:
    """Look at the stage that runs with what is known at `as_of`; None if nothing rolls out.

    A stage is looked at when its step has passed, an A/B test always. One that has no answer by
    the end of its patience fails, and so does one whose champion is champion no more.
    """
    rolls = find_rollout(entries)
    if rolls is None:
        return None
    try:
        found = _look(use_case, rolls, find_champion(entries), as_of)
    except NoRows as none:
        found = Decision("wait", str(none), {"gates": []})
    if found.verdict == "wait" and as_of - rolls.since >= rolls.patience:
        late = f"not judged within {write_duration(rolls.patience)}: {found.reason}"
        found = Decision("fail", late, found.evidence)
    return StageReview(rolls.version, rolls.stage, found.verdict, found.reason, found.evidence)


def _look(
    use_case: UseCase, rolls: RunningRollout, reigning: Entry | None, as_of: datetime
) -> Decision:
    if reigning is None or reigning.version != rolls.champion:
        gone = f"version {rolls.champion}, against which it proved itself, is champion no more"
        return Decision("fail", gone, {"gates": []})
    if as_of < rolls.since + rolls.step:
        due = f"the stage is looked at from {rolls.since + rolls.step:%Y-%m-%d %H:%M} on"
        return Decision("wait", due, {"gates": []})
    if rolls.kind == "ab":
        return judge_ab_test(use_case, rolls, as_of)
    if rolls.kind == "blue_green":
        return _readiness(use_case, rolls, as_of)
    return _no_harm(use_case, rolls, as_of)


def _readiness(use_case: UseCase, rolls: RunningRollout, as_of: datetime) -> Decision:
    """Whether both answered every row of the last step that is over."""
    end = rolls.since + (as_of - rolls.since) // rolls.step * rolls.step
    given = read_all_predictions(use_case, end - rolls.step, end)
    due = select_used(given).height
    answered = pair_rows(use_case, given, rolls.version, rolls.champion).height
    line = GateCheck(
        "readiness",
        f"every row of {write_duration(rolls.step)} answered by both",
        f"{answered} of {due} rows until {end:%Y-%m-%d %H:%M}",
        "pass" if 0 < due == answered else "wait",
    )
    return _by(line, {"rows": due, "answered": answered})


def _no_harm(use_case: UseCase, rolls: RunningRollout, as_of: datetime) -> Decision:
    """Whether the challenger is shown to be worse where both answered: by the bake's margins.

    Of a canary the challenger's own arm counts. The stages share one error rate.
    """
    steps, pair = (as_of - rolls.since) // rolls.step, (rolls.version, rolls.champion)
    ends = [rolls.since + k * rolls.step for k in range(steps, 0, -1)]
    known = find_paired_rows(use_case, pair, rolls.since, as_of, ends)
    line = _labels(use_case, known)
    if line.verdict == "wait":
        return _by(line, {})
    rows = known.rows
    if rolls.kind == "canary":
        rows = rows.filter(pl.col("arm") == CHALLENGER)
    bake, looks = use_case.bake, len(rolls.shares)
    found = judge_harm(
        use_case, rows, *both_predictions(use_case, rows), bake, bake.min_rows, looks
    )
    lines = [asdict(line), *found.evidence["gates"]]
    return Decision(found.verdict, found.reason, {**found.evidence, "gates": lines})


def _labels(use_case: UseCase, known: PairedRows) -> GateCheck:
    return GateCheck(
        "labels",
        f"{use_case.label.min_coverage:.0%} of the rows labelled, and answered by both",
        f"{known.rows.height} of {known.due} rows until {known.end:%Y-%m-%d %H:%M}",
        "pass" if known.enough else "wait",
    )


def _by(line: GateCheck, evidence: dict[str, Any]) -> Decision:
    """What one line alone decides: pass or wait."""
    ready = line.verdict == "pass"
    reason = line.measured if ready else f"{line.measured}; asked: {line.asked}"
    return Decision("pass" if ready else "wait", reason, {**evidence, "gates": [asdict(line)]})
