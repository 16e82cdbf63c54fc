"""Years that are made of blocks of a model's judged days, and the windows of a rule in them.

Nothing changes in such a year (circular block bootstrap; D. Politis and J. Romano, "A circular
block-resampling procedure for stationary data", 1992). The judged days are few, so their level is
uncertain too. Therefore each year is drawn from a resample of the days, and its deviations from the
measured level are widened for few blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
from tasks.evaluation.metrics import Floats
from tasks.evaluation.problem_types import problem_type_of

DAY, YEAR_DAYS = timedelta(days=1), 365
_YEARS, _CHUNK_YEARS = 400, 40  # played; at once
_MOST_LIKE = 0.9

Indexes = NDArray[np.int64]


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


def play_windows(
    rule: PerformanceRule, daily: DailyMetric, step: timedelta, seed: int, *, certain: bool = False
) -> Floats:
    """Return the metric of each window of resampled years, widened, (years, windows).

    Args:
        rule: the window.
        daily: the metric of the judged days.
        step: time between two monitored windows.
        seed: seed of the resampling.
        certain: whether the measured days are all that there is, so nothing is widened.
    """
    influences = measure_influences(daily)
    likeness, block = estimate_likeness(influences), choose_block_length(influences)
    values = play_years(rule, daily, step, block, seed, certain=certain)
    if certain:
        return values
    return daily.reference + _widening(daily.days, block, likeness) * (values - daily.reference)


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
    rule: PerformanceRule,
    daily: DailyMetric,
    step: timedelta,
    block: int,
    seed: int,
    *,
    certain: bool = False,
) -> Floats:
    """Return the metric of each window of resampled years, (years, windows).

    Args:
        rule: the window.
        daily: the metric of the judged days.
        step: time between two windows.
        block: days in a block.
        seed: seed of the resampling.
        certain: whether years are drawn from the days themselves, not from a resample of them.
    """
    random = np.random.default_rng(seed)
    width, stride = count_window_days(rule, step)
    parts = []
    for _ in range(0, _YEARS, _CHUNK_YEARS):
        worlds = draw_days(random, daily.days, (_CHUNK_YEARS, daily.days), block)
        places = draw_days(random, daily.days, (_CHUNK_YEARS, YEAR_DAYS + width), block)
        years = places if certain else np.take_along_axis(worlds, places, axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(years, width, axis=1)[:, ::stride]
        parts.append(daily.measure(count_days(windows, daily.days)).reshape(_CHUNK_YEARS, -1))
    return np.concatenate(parts)


def count_window_days(rule: PerformanceRule, step: timedelta) -> tuple[int, int]:
    """Return the days of a rule's window, and those between two windows; at least one each."""
    return max(1, round(rule.window / DAY)), max(1, round(step / DAY))


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
