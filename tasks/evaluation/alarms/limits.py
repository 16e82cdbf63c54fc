"""Limits of performance rules, calibrated for a stated rate of false alarms, and their delays.

A rule is played on resampled years. In such a year nothing changes, so each episode that opens is a
false alarm. The limit is the tightest one that opens episodes at most at the stated rate. The same
years with a sudden loss say within how many days the rule finds it in 80%.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.evaluation.alarms.episode_openings import POWER, count_openings, find_delay
from tasks.evaluation.alarms.resampled_years import (
    DailyMetric,
    count_window_days,
    measure_daily,
    play_windows,
)
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.metrics import LOWER_IS_BETTER, Floats
from tasks.evaluation.problem_types import problem_type_of

STATED_LOSS = 0.05  # of which limits state the detection, in units of a margin
_MIN_DAYS = 7  # fewer say nothing about the spread
_LEVELS = 400  # limits that are tried


class RuleLimit(BaseModel):
    """Limit of a performance rule, in the unit of its metric, and what it rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_alarms: float = Field(description="a year, for which it was calibrated")
    reference: float = Field(description="the metric on the judged days")
    limit: float = Field(description="of a calibration gap: of its size")
    detects: float = Field(description="sudden loss that 80% of full windows show")
    days: int = Field(description="judged days")
    loss: float | None = Field(None, description="sudden loss that `detection_days` is stated for")
    detection_days: int | None = Field(
        None, description="within which 80% of years show the loss; none: not within a year"
    )


def calibrate_limits(
    use_case: UseCase, rows: pl.DataFrame, predictions: Predictions
) -> dict[str, RuleLimit]:
    """Return the limit of each performance rule with `false_alarms`, by subject.

    A rule has none while the judged days are too few.

    Args:
        use_case: the rules.
        rows: labelled rows with their prediction time, on which the model was not fitted.
        predictions: predictions of these rows.
    """
    limits, step = {}, use_case.monitor.step
    spread = float(rows[use_case.label.column].to_numpy().astype(np.float64).std())
    for rule in use_case.monitor.performance:
        if rule.false_alarms is None:
            continue
        daily = measure_daily(use_case, rule, rows, predictions)
        loss = STATED_LOSS * problem_type_of(use_case).margin_unit(
            rule.metric, spread, use_case.evaluation.cost
        )
        limit = calibrate_limit(rule, daily, step, use_case.seed, loss)
        if limit is not None:
            limits[rule.subject] = limit
    return limits


def calibrate_limit(
    rule: PerformanceRule, daily: DailyMetric, step: timedelta, seed: int, loss: float | None = None
) -> RuleLimit | None:
    """Return the limit of a rule with `false_alarms`; None with too few days.

    Args:
        rule: metric, window, patience and rate.
        daily: the metric of the judged days.
        step: time between two monitored windows.
        seed: seed of the resampling.
        loss: sudden loss whose delay is stated.
    """
    assert rule.false_alarms is not None
    if daily.days < _MIN_DAYS or not math.isfinite(daily.reference):
        return None
    windows = play_windows(rule, daily, step, seed)
    losses = _to_losses(rule, daily, windows)
    distance = _find_distance(rule, losses)
    typical = np.nanquantile(losses, 1 - POWER)
    limit = RuleLimit(
        false_alarms=rule.false_alarms,
        reference=daily.reference,
        limit=compute_rule_limit(rule, daily.reference, distance),
        detects=float(distance - typical),
        days=daily.days,
        loss=loss,
    )
    if loss is None:
        return limit
    certain = play_windows(rule, daily, step, seed, certain=True)
    days = _find_latest(rule, daily, (windows, certain), limit.limit, loss, step)
    return limit.model_copy(update={"detection_days": days})


def measure_delay(
    rule: PerformanceRule,
    daily: DailyMetric,
    step: timedelta,
    seed: int,
    limit: float,
    loss: float,
) -> int | None:
    """Return the days within which a rule finds a sudden loss in 80% of years; None beyond a year.

    Args:
        rule: metric, window and patience.
        daily: the metric of the judged days.
        step: time between two monitored windows.
        seed: seed of the resampling.
        limit: the limit of the rule, calibrated or not.
        loss: in the unit of the metric.
    """
    windows = [play_windows(rule, daily, step, seed, certain=certain) for certain in (False, True)]
    return _find_latest(rule, daily, windows, limit, loss, step)


def compute_rule_limit(rule: PerformanceRule, reference: float, worse_by: float) -> float:
    """Return the value of the rule's metric beyond which it is bad; of a calibration gap, its size.

    Args:
        rule: the metric.
        reference: the metric on the holdout.
        worse_by: in units of the metric.
    """
    if rule.metric == "calibration_gap":
        return abs(reference) + worse_by
    return reference + worse_by * _find_worse_side(rule, reference)


def _find_worse_side(rule: PerformanceRule, reference: float) -> int:
    """Return 1 if a loss raises the metric, else -1; a calibration gap grows on its own side."""
    if rule.metric == "calibration_gap":
        return 1 if reference >= 0 else -1
    return 1 if rule.metric in LOWER_IS_BETTER else -1


def _to_losses(rule: PerformanceRule, daily: DailyMetric, values: Floats) -> Floats:
    """Return by how much each value is worse than the reference."""
    if rule.metric == "calibration_gap":
        return np.abs(values) - abs(daily.reference)
    return (values - daily.reference) * _find_worse_side(rule, daily.reference)


def _find_latest(
    rule: PerformanceRule,
    daily: DailyMetric,
    played: Sequence[Floats],
    limit: float,
    loss: float,
    step: timedelta,
) -> int | None:
    """Return the latest delay of several kinds of years; None if one has none.

    An uncertain level hides a loss larger than the limit, and helps to find a smaller one. So years
    with this uncertainty count, and those without.

    Args:
        rule: metric, window and patience.
        daily: the metric of the judged days.
        played: windows of each kind of years.
        limit: the limit of the rule.
        loss: in the unit of the metric.
        step: time between two windows.
    """
    delays = [_find_delay(rule, daily, windows, limit, loss, step) for windows in played]
    known = [days for days in delays if days is not None]
    return max(known) if len(known) == len(delays) else None


def _find_delay(
    rule: PerformanceRule,
    daily: DailyMetric,
    windows: Floats,
    limit: float,
    loss: float,
    step: timedelta,
) -> int | None:
    """Return the delay of a sudden loss that begins when the first window ends.

    Args:
        rule: metric, window and patience.
        daily: the metric of the judged days.
        windows: metric of each window without a loss, (years, windows).
        limit: the limit of the rule.
        loss: in the unit of the metric.
        step: time between two monitored windows.
    """
    width, stride = count_window_days(rule, step)
    filled = np.minimum(np.arange(windows.shape[1]) * stride / width, 1)
    worse = windows + _find_worse_side(rule, daily.reference) * loss * filled
    distance = _to_losses(rule, daily, np.array(limit))
    with np.errstate(invalid="ignore"):
        return find_delay(rule, _to_losses(rule, daily, worse) > distance, step)


def _find_distance(rule: PerformanceRule, losses: Floats) -> float:
    """Return the least distance from the reference that opens at most `false_alarms` a year."""
    assert rule.false_alarms is not None
    levels = np.nanquantile(losses, np.linspace(1, 0.5, _LEVELS))
    best = float(levels[0])
    for level in levels:
        with np.errstate(invalid="ignore"):
            bad = losses > level
        if count_openings(rule, bad).mean() > rule.false_alarms:
            break
        best = float(level)
    return max(best, 0.0)
