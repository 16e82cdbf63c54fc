"""Series of daily values with a memory, as the metric of a performance rule."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from configs.schema.monitoring import PerformanceRule
from tasks.evaluation.alarms.resampled_years import DailyMetric
from tasks.evaluation.metrics import Floats

WEEK = timedelta(days=7)
RATE = 0.5  # false alarms a year


def rule(metric: str = "rmse", window: str = "5w", **patience: object) -> PerformanceRule:
    changes = {"metric": metric, "window": window, "false_alarms": RATE, **patience}
    return PerformanceRule.model_validate(changes)


def series(days: int, memory: float, seed: int) -> Floats:
    """A daily level of first order with standard deviation 1, and noise of the day."""
    random = np.random.default_rng(seed)
    steps = np.sqrt(1 - memory**2) * random.normal(size=days)
    level = np.empty(days)
    level[0] = random.normal()
    for day in range(1, days):
        level[day] = memory * level[day - 1] + steps[day]
    return level + 0.3 * random.normal(size=days)


def daily(values: Floats) -> DailyMetric:
    return DailyMetric(
        lambda draws: (draws @ values) / draws.sum(axis=1), len(values), float(values.mean())
    )
