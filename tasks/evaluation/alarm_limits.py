"""Limits of performance rules, calibrated for a stated rate of false alarms.

A rule is played on years that are made of blocks of the champion's own judged days (circular block
bootstrap; D. Politis and J. Romano, "A circular block-resampling procedure for stationary data",
1992). In such a year nothing changes, so each episode that opens is a false alarm. The limit is the
tightest one that opens episodes at most at the stated rate.

The judged days are few, so their level is uncertain too. Therefore each year is drawn from a
resample of the days, and its deviations from the measured level are widened for few blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from configs.schema.monitoring import PerformanceRule
from configs.schema.use_case import UseCase
from tasks.evaluation.blocks import (
    BlockMetric,
    choose_block_length,
    leave_blocks_out,
    to_clock,
)
from tasks.evaluation.bootstrap import (
    PairedPredictions,
    Predictions,
    block_mean,
    block_metric,
    calibration_gaps,
)
from tasks.evaluation.metrics import LOWER_IS_BETTER, Floats
from tasks.evaluation.problem_types import problem_type_of

DAY, YEAR_DAYS = timedelta(days=1), 365
_YEARS, _CHUNK_YEARS = 400, 40  # played; at once
_MIN_DAYS = 7  # fewer say nothing about the spread
_MOST_LIKE = 0.9
_POWER = 0.8  # share of losses of the size `detects` that a full window shows
_LEVELS = 400  # limits that are tried

Indexes = NDArray[np.int64]


class RuleLimit(BaseModel):
    """Limit of a performance rule, in the unit of its metric, and what it rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_alarms: float = Field(description="a year, for which it was calibrated")
    reference: float = Field(description="the metric on the judged days")
    limit: float = Field(description="of a calibration gap: of its size")
    detects: float = Field(description="sudden loss that 80% of full windows show")
    days: int = Field(description="judged days")


@dataclass(frozen=True)
class DailyMetric:
    """A rule's metric as a function of how often each judged day occurs.

    Attributes:
        measure: counts of days (windows, days) → metric (windows,); signed for a calibration gap.
        days: number of days, also empty ones, from the first judged row to the last.
        reference: the metric on all days.
    """

    measure: BlockMetric
    days: int
    reference: float


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
    limits = {}
    for rule in use_case.monitor.performance:
        if rule.false_alarms is None:
            continue
        daily = measure_daily(use_case, rule, rows, predictions)
        limit = calibrate_limit(rule, daily, use_case.monitor.step, use_case.seed)
        if limit is not None:
            limits[rule.subject] = limit
    return limits


def measure_daily(
    use_case: UseCase, rule: PerformanceRule, rows: pl.DataFrame, predictions: Predictions
) -> DailyMetric:
    """Return a rule's metric as a function of counts of days.

    Args:
        use_case: problem type, costs, and names of columns.
        rule: the rule.
        rows: labelled rows with their prediction time.
        predictions: predictions of these rows.
    """
    label = rows[use_case.label.column].to_numpy().astype(np.float64)
    clock = to_clock(rows[use_case.spine.time], use_case.zone)
    stamps = clock.dt.epoch("d").to_numpy().astype(np.int64)
    day = stamps - stamps.min()
    days = int(day.max()) + 1
    pair = PairedPredictions(label, day, days, predictions, predictions, problem_type_of(use_case))
    if rule.metric == "calibration_gap":
        measure = block_mean(pair, calibration_gaps(pair, predictions))
    else:
        measure = block_metric(rule.metric, pair, predictions, use_case.evaluation.cost)
    return DailyMetric(measure, days, float(measure(np.ones((1, days)))[0]))


def calibrate_limit(
    rule: PerformanceRule, daily: DailyMetric, step: timedelta, seed: int
) -> RuleLimit | None:
    """Return the limit of a rule with `false_alarms`; None with too few days.

    Args:
        rule: metric, window, patience and rate.
        daily: the metric of the judged days.
        step: time between two monitored windows.
        seed: seed of the resampling.
    """
    assert rule.false_alarms is not None
    if daily.days < _MIN_DAYS or not math.isfinite(daily.reference):
        return None
    influences = measure_influences(daily)
    likeness, block = estimate_likeness(influences), choose_block_length(influences)
    values = play_years(rule, daily, step, block, seed)
    losses = _to_losses(
        rule,
        daily,
        daily.reference + _widening(daily.days, block, likeness) * (values - daily.reference),
    )
    distance = _find_distance(rule, losses)
    typical = np.nanquantile(losses, 1 - _POWER)
    return RuleLimit(
        false_alarms=rule.false_alarms,
        reference=daily.reference,
        limit=compute_rule_limit(rule, daily.reference, distance),
        detects=float(distance - typical),
        days=daily.days,
    )


def compute_rule_limit(rule: PerformanceRule, reference: float, worse_by: float) -> float:
    """Return the value of the rule's metric beyond which it is bad; of a calibration gap, its size.

    Args:
        rule: the metric.
        reference: the metric on the holdout.
        worse_by: in units of the metric.
    """
    if rule.metric == "calibration_gap":
        return abs(reference) + worse_by
    down = rule.metric not in LOWER_IS_BETTER
    return reference - worse_by if down else reference + worse_by


def measure_influences(daily: DailyMetric) -> Floats:
    """Return the metric without each day in turn, (days,); the reference where it is undefined."""
    left_out = leave_blocks_out(daily.measure, daily.days)
    return np.where(np.isfinite(left_out), left_out, daily.reference)


def estimate_likeness(influences: Floats) -> float:
    """Return the autocorrelation of one day of the days' influences, from 0 on.

    A short series underestimates it, which is corrected (F. Marriott and J. Pope, 1954); one
    standard error is added for safety.
    """
    n, values = len(influences), influences - influences.mean()
    spread = float(np.square(values).sum())
    if not spread:
        return 0.0
    measured = float((values[1:] * values[:-1]).sum()) / spread
    corrected = measured + (1 + 3 * measured) / n
    safe = corrected + math.sqrt(max(1 - corrected**2, 0) / n)
    return min(max(safe, 0.0), _MOST_LIKE)


def play_years(
    rule: PerformanceRule, daily: DailyMetric, step: timedelta, block: int, seed: int
) -> Floats:
    """Return the metric of each window of resampled years, (years, windows).

    Args:
        rule: the window.
        daily: the metric of the judged days.
        step: time between two windows.
        block: days in a block.
        seed: seed of the resampling.
    """
    random = np.random.default_rng(seed)
    width, stride = max(1, round(rule.window / DAY)), max(1, round(step / DAY))
    parts = []
    for _ in range(0, _YEARS, _CHUNK_YEARS):
        worlds = draw_days(random, daily.days, (_CHUNK_YEARS, daily.days), block)
        places = draw_days(random, daily.days, (_CHUNK_YEARS, YEAR_DAYS + width), block)
        years = np.take_along_axis(worlds, places, axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(years, width, axis=1)[:, ::stride]
        parts.append(daily.measure(count_days(windows, daily.days)).reshape(_CHUNK_YEARS, -1))
    return np.concatenate(parts)


def draw_days(
    random: np.random.Generator, days: int, shape: tuple[int, int], block: int
) -> Indexes:
    """Return days in blocks of consecutive ones, which go round at the end, of a given shape.

    Args:
        random: generator.
        days: number of days to draw from.
        shape: histories, and days of each.
        block: days in a block.
    """
    starts = random.integers(0, days, (shape[0], -(-shape[1] // block)))
    drawn = (starts[:, :, None] + np.arange(block)) % days
    return np.asarray(drawn.reshape(shape[0], -1)[:, : shape[1]])


def count_days(windows: Indexes, days: int) -> Floats:
    """Return how often each day occurs in each window, (windows, days)."""
    flat = windows.reshape(-1, windows.shape[-1])
    places = flat + days * np.arange(len(flat))[:, None]
    counts = np.bincount(places.ravel(), minlength=len(flat) * days)
    return counts.reshape(len(flat), days).astype(np.float64)


def count_openings(rule: PerformanceRule, bad: NDArray[np.bool_]) -> Floats:
    """Return how many episodes open in each year of windows, (years, windows) → (years,).

    An episode opens and closes as tasks/monitoring/episodes.py says.
    """
    counts = np.cumsum(np.pad(bad.astype(np.int64), ((0, 0), (rule.of, 0))), axis=1)
    enough = (counts[:, rule.of :] - counts[:, : -rule.of]) >= rule.bad
    opened, total = np.zeros(len(bad), dtype=bool), np.zeros(len(bad))
    for place in range(bad.shape[1]):
        starts = ~opened & bad[:, place] & enough[:, place]
        total += starts
        opened = (opened | starts) & (bad[:, place] | enough[:, place])
    return total


def _widening(days: int, block: int, likeness: float) -> float:
    """Return the factor of deviations that resampled blocks leave out.

    Few blocks underestimate the spread (Student's t against the normal). So do blocks that are
    short for the likeness of the days: a series of first order has more variance in the long run.
    """
    from scipy.special import ndtri, stdtrit

    blocks, lags = days / block, np.arange(1, block)
    few = math.sqrt(blocks / (blocks - 1)) * float(stdtrit(blocks - 1, 0.95) / ndtri(0.95))
    kept = 1 + 2 * float(((1 - lags / block) * likeness**lags).sum())
    return few * math.sqrt((1 + likeness) / (1 - likeness) / kept)


def _to_losses(rule: PerformanceRule, daily: DailyMetric, values: Floats) -> Floats:
    """Return by how much each value is worse than the reference."""
    if rule.metric == "calibration_gap":
        return np.abs(values) - abs(daily.reference)
    return values - daily.reference if rule.metric in LOWER_IS_BETTER else daily.reference - values


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
