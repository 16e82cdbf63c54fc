"""Openings of episodes in years of windows: how many there are, and when the first one comes."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from configs.schema.monitoring import PerformanceRule
from tasks.evaluation.alarms.resampled_years import count_window_days
from tasks.evaluation.bootstrap import Flags
from tasks.evaluation.metrics import Floats

POWER = 0.8  # share of the years that a stated detection covers


def count_openings(rule: PerformanceRule, bad: Flags) -> Floats:
    """Return how many episodes open in each year of windows, (years, windows) → (years,).

    An episode opens and closes as tasks/monitoring/episodes.py says.
    """
    enough = _has_enough_bad(rule, bad)
    opened, total = np.zeros(len(bad), dtype=bool), np.zeros(len(bad))
    for place in range(bad.shape[1]):
        starts = ~opened & bad[:, place] & enough[:, place]
        total += starts
        opened = (opened | starts) & (bad[:, place] | enough[:, place])
    return total


def find_delay(rule: PerformanceRule, bad: Flags, step: timedelta) -> int | None:
    """Return the days after which 80% of the years have an open episode; None if fewer have one.

    Args:
        rule: its patience.
        bad: whether each window is bad, (years, windows); the first one ends on day 0.
        step: time between two windows.
    """
    opens = bad & _has_enough_bad(rule, bad)
    first = np.where(opens.any(axis=1), opens.argmax(axis=1), bad.shape[1])
    place = int(np.sort(first)[int(np.ceil(POWER * len(first))) - 1])
    _, stride = count_window_days(rule, step)
    return None if place == bad.shape[1] else place * stride


def _has_enough_bad(rule: PerformanceRule, bad: Flags) -> Flags:
    counts = np.cumsum(np.pad(bad.astype(np.int64), ((0, 0), (rule.of, 0))), axis=1)
    return np.asarray((counts[:, rule.of :] - counts[:, : -rule.of]) >= rule.bad)
