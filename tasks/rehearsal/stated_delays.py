"""Delays that are stated for planted faults, and those that rules of other windows would have.

Within its stated delay, a fault is found in 80% of the histories.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.evaluation.alarms.limits import RuleLimit, calibrate_limit, measure_delay
from tasks.evaluation.alarms.resampled_years import measure_daily
from tasks.evaluation.problem_types import problem_type_of
from tasks.monitoring.performance import judge_rule
from tasks.rehearsal.day_pool import DAY, HISTORY_START, DayPool
from tasks.rehearsal.faults import Fault

USUAL_RATE = 0.5  # false alarms a year, for rules without a rate
_WEEKS = (2, 5, 8, 12, 16)


@dataclass(frozen=True)
class WindowDelay:
    """A rule with another window: its calibrated limit, which has the delay of a loss."""

    metric: str
    window: timedelta
    limit: RuleLimit


def find_stated_delay(pool: DayPool, fault: Fault) -> timedelta | None:
    """Return the delay that is stated for a fault; None if no rule finds it within a year.

    A fault of an input is due when it fills a window, and after the patience of the rule. The delay
    of a loss follows from the limits of the rules of its metric.
    """
    use_case = pool.use_case
    if fault.loss is None:
        return _find_input_delay(use_case)
    metric, size = fault.loss
    rules = [rule for rule in use_case.monitor.performance if rule.metric == metric]
    delays = [_find_rule_delay(pool, rule, size) for rule in rules]
    known = [days for days in delays if days is not None]
    return min(known) * DAY if known else None


def compare_windows(pool: DayPool, loss: float) -> Iterator[WindowDelay]:
    """Yield calibrated rules of several windows for each metric of the rules.

    Windows that are longer than half of the judged days are left out.

    Args:
        pool: the judged days.
        loss: sudden loss whose delay is measured, in units of a margin.
    """
    use_case, judged = pool.use_case, pool.judged
    rules = {rule.metric: rule for rule in use_case.monitor.performance}
    for metric, rule in rules.items():
        kind, cost = problem_type_of(use_case), use_case.evaluation.cost
        size = loss * kind.margin_unit(metric, float(judged.label.std()), cost)
        daily = measure_daily(use_case, rule, judged.rows, judged.predictions)
        for window in (timedelta(weeks=weeks) for weeks in _WEEKS):
            other = _with_window(rule, window)
            limit = calibrate_limit(other, daily, use_case.monitor.step, use_case.seed, size)
            if limit is not None and 2 * window <= pool.days * DAY:
                yield WindowDelay(metric, window, limit)


def _with_window(rule: PerformanceRule, window: timedelta) -> PerformanceRule:
    rate = rule.false_alarms or USUAL_RATE
    changes = {"window": window, "false_alarms": rate, "worse_by": None}
    return rule.model_copy(update=changes)


def _find_rule_delay(pool: DayPool, rule: PerformanceRule, loss: float) -> int | None:
    use_case, judged = pool.use_case, pool.judged
    card, step = judged.model.card, use_case.monitor.step
    limits = card.limits
    limit = judge_rule(use_case, rule, None, card.holdout, HISTORY_START, limits).threshold
    if limit is None:
        return None
    daily = measure_daily(use_case, rule, judged.rows, judged.predictions)
    return measure_delay(rule, daily, step, use_case.seed, limit, loss)


def _find_input_delay(use_case: UseCase) -> timedelta:
    monitor = use_case.monitor
    patience = max(monitor.drift.of, monitor.contract.of) - 1
    return monitor.window + patience * monitor.step
