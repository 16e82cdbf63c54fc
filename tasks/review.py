"""What a running stage of a roll-out has shown: pass, fail, or wait for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl

from configs.clock import write_duration
from configs.errors import NoRows
from configs.use_case import UseCase
from tasks.ab import ab_test
from tasks.assignment import CHALLENGER
from tasks.gates import Line
from tasks.ledger import Entry, champion
from tasks.paired import Mature, both_answers, mature, pairs
from tasks.predictions import answers, used
from tasks.promotion import Decision, Outcome, harm
from tasks.rollout import Rolling, rolling


@dataclass(frozen=True)
class Review:
    """The verdict on the stage of the version that rolls out, and what it stands on (JSON)."""

    version: int
    stage: int
    verdict: Outcome
    reason: str
    evidence: dict[str, Any]

    @property
    def due(self) -> bool:
        """Whether it has an answer, so that a step is worth asking for."""
        return self.verdict != "wait"


def review(use_case: UseCase, entries: Sequence[Entry], as_of: datetime) -> Review | None:
    """Look at the stage that runs with what is known at `as_of`; None if nothing rolls out.

    A stage is looked at when its step has passed, an A/B test always. One that has no answer by
    the end of its patience fails, and so does one whose champion is champion no more.
    """
    rolls = rolling(entries)
    if rolls is None:
        return None
    try:
        found = _look(use_case, rolls, champion(entries), as_of)
    except NoRows as none:
        found = Decision("wait", str(none), {"gates": []})
    if found.verdict == "wait" and as_of - rolls.since >= rolls.patience:
        late = f"not judged within {write_duration(rolls.patience)}: {found.reason}"
        found = Decision("fail", late, found.evidence)
    return Review(rolls.version, rolls.stage, found.verdict, found.reason, found.evidence)


def _look(use_case: UseCase, rolls: Rolling, reigning: Entry | None, as_of: datetime) -> Decision:
    if reigning is None or reigning.version != rolls.champion:
        gone = f"version {rolls.champion}, against which it proved itself, is champion no more"
        return Decision("fail", gone, {"gates": []})
    if as_of < rolls.since + rolls.step:
        due = f"the stage is looked at from {rolls.since + rolls.step:%Y-%m-%d %H:%M} on"
        return Decision("wait", due, {"gates": []})
    if rolls.kind == "ab":
        return ab_test(use_case, rolls, as_of)
    if rolls.kind == "blue_green":
        return _readiness(use_case, rolls, as_of)
    return _no_harm(use_case, rolls, as_of)


def _readiness(use_case: UseCase, rolls: Rolling, as_of: datetime) -> Decision:
    """Whether both answered every row of the last step that is over."""
    end = rolls.since + (as_of - rolls.since) // rolls.step * rolls.step
    given = answers(use_case, end - rolls.step, end)
    due = used(given).height
    answered = pairs(use_case, given, rolls.version, rolls.champion).height
    line = Line(
        "readiness",
        f"every row of {write_duration(rolls.step)} answered by both",
        f"{answered} of {due} rows until {end:%Y-%m-%d %H:%M}",
        "pass" if 0 < due == answered else "wait",
    )
    return _by(line, {"rows": due, "answered": answered})


def _no_harm(use_case: UseCase, rolls: Rolling, as_of: datetime) -> Decision:
    """Whether the challenger is shown to be worse where both answered: by the bake's margins.

    Of a canary the challenger's own arm counts. The stages share one error rate.
    """
    steps, pair = (as_of - rolls.since) // rolls.step, (rolls.version, rolls.champion)
    ends = [rolls.since + k * rolls.step for k in range(steps, 0, -1)]
    known = mature(use_case, pair, rolls.since, as_of, ends)
    line = _labels(use_case, known)
    if line.verdict == "wait":
        return _by(line, {})
    rows = known.rows
    if rolls.kind == "canary":
        rows = rows.filter(pl.col("arm") == CHALLENGER)
    bake, looks = use_case.bake, len(rolls.shares)
    found = harm(use_case, rows, *both_answers(use_case, rows), bake, bake.min_rows, looks)
    lines = [asdict(line), *found.evidence["gates"]]
    return Decision(found.verdict, found.reason, {**found.evidence, "gates": lines})


def _labels(use_case: UseCase, known: Mature) -> Line:
    return Line(
        "labels",
        f"{use_case.label.min_coverage:.0%} of the rows labelled, and answered by both",
        f"{known.rows.height} of {known.due} rows until {known.end:%Y-%m-%d %H:%M}",
        "pass" if known.enough else "wait",
    )


def _by(line: Line, evidence: dict[str, Any]) -> Decision:
    """What one line alone decides: pass or wait."""
    ready = line.verdict == "pass"
    reason = line.measured if ready else f"{line.measured}; asked: {line.asked}"
    return Decision("pass" if ready else "wait", reason, {**evidence, "gates": [asdict(line)]})
