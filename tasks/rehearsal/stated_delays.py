"""Delays that are stated for planted faults: within them, 80% of the histories find a fault."""

from __future__ import annotations

from datetime import timedelta

from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.evaluation.alarms.limits import measure_delay
from tasks.evaluation.alarms.resampled_years import measure_daily
from tasks.monitoring.performance import judge_rule
from tasks.rehearsal.day_pool import DAY, HISTORY_START, DayPool
from tasks.rehearsal.faults import Fault


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
