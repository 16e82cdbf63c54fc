"""Gate and bake window of a history, by the functions of the promotion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np

from tasks.evaluation.alpha_spending import plan_gate_look, spend_elapsed_time
from tasks.evaluation.bootstrap import Predictions
from tasks.promotion.bake import judge_bake
from tasks.promotion.gate import judge_predictions
from tasks.rehearsal.day_pool import DAY, HISTORY_START, ComparedDays, DrawnRows
from tasks.rehearsal.twins import TwinPair, swap_twins


@dataclass(frozen=True)
class Match:
    """A newer and an older model, as twins of each, that gate or bake window compare."""

    name: str
    kind: Literal["gate", "bake"]
    new: TwinPair
    old: TwinPair


def play_match(days: ComparedDays, match: Match, random: np.random.Generator) -> int | None:
    """Return the number of the look that promotes, or the days until the rollback; None without.

    Args:
        days: the days of histories.
        match: the models, and what compares them.
        random: generator of the history.
    """
    return (_play_gate if match.kind == "gate" else _play_bake)(days, match, random)


def _play_gate(days: ComparedDays, match: Match, random: np.random.Generator) -> int | None:
    use_case, gate, last = days.use_case, days.use_case.gate, 0
    patience = gate.patience if gate.looks > 1 else timedelta(0)
    rows = days.take_rows(days.draw(random, _count_days(days.holdout + patience)))
    models = swap_twins(random, rows, match.new, match.old)
    since = HISTORY_START + days.holdout
    for number in range(gate.looks):
        at = since + number * (patience / max(gate.looks - 1, 1))
        look = plan_gate_look(gate.looks, gate.patience, since, at, last)
        if look is None:
            continue
        last = look.number
        inside = rows.before(_count_days(at - HISTORY_START))
        decision = judge_predictions(
            use_case, inside.frame, *_head(models, inside), look, explain=False
        )
        if decision.verdict != "wait":
            return last if decision.verdict == "pass" else None
    return None


def _play_bake(days: ComparedDays, match: Match, random: np.random.Generator) -> int | None:
    use_case, start = days.use_case, HISTORY_START
    length, step = use_case.bake.window, use_case.monitor.step
    rows = days.take_rows(days.draw(random, _count_days(length)))
    models = swap_twins(random, rows, match.new, match.old)
    last = start
    for number in range(1, -(-length // step) + 1):
        at = start + min(number * step, length)
        count = _count_days(at - start)
        inside = rows.before(count)
        share = spend_elapsed_time(start, last, at, start + length)
        seen = _head(models, inside)
        decision = judge_bake(use_case, inside.frame, seen, share, explain=False)
        if decision.verdict == "fail":
            return count
        last = last if decision.verdict == "wait" else at  # few rows spend nothing
    return None


def _head(models: TwinPair, inside: DrawnRows) -> TwinPair:
    count = len(inside.place)
    new, old = (Predictions(each.value[:count], each.decision[:count]) for each in models)
    return new, old


def _count_days(span: timedelta) -> int:
    return max(1, round(span / DAY))
