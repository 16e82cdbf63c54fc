"""Calendar columns: inputs that follow the date, so they differ between windows without a fault.

A column is recognised by its values, not by its name. It follows a part of the date whose period is
longer than a window: each month (quarter, day of the month …) has one value; or the value is a
straight line or a yearly wave over time. Hours and weekdays are no calendar columns for windows of
whole weeks: each such window has them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

_SAMPLE_ROWS = 20_000
_MIN_SHARE = 0.95  # of rows with the usual value of their part: zones differ by hours
_MIN_GROUPS, _MIN_REPEATS = 3, 2
_MIN_FIT = 0.999  # squared correlation with a line or wave over time
_YEAR = timedelta(days=365.2425)


def find_calendar_columns(
    frame: pl.DataFrame, names: Sequence[str], time: str, window: timedelta
) -> set[str]:
    """Return the columns that follow the date over more than a window.

    Args:
        frame: rows with the columns named and `time`.
        names: columns to test.
        time: column of the prediction time.
        window: length of a monitored window.
    """
    step = max(1, frame.height // _SAMPLE_ROWS)
    rows = frame.gather_every(step).select(time, *names)
    parts, waves = _list_parts(rows[time], window), _list_waves(rows[time])
    return {
        name
        for name in names
        if any(_follows_part(rows[name], part) for part in parts)
        or _follows_wave(rows[name], waves)
    }


def _list_parts(times: pl.Series, window: timedelta) -> list[pl.Series]:
    """Return the parts of the date that change from window to window."""
    at = times.dt
    parts = [at.year() * 12 + at.month(), at.month(), at.quarter(), at.year(), at.week()]
    if window < timedelta(days=28):
        parts.append(at.day())
    if window < timedelta(days=7):
        parts.append(at.weekday())
    if window < timedelta(days=1):
        parts.append(at.hour())
    return [part.cast(pl.Int64).alias("part") for part in parts]


def _follows_part(values: pl.Series, part: pl.Series) -> bool:
    """Return whether each part of the date has its own value of the column."""
    pairs = pl.DataFrame({"part": part, "value": values})
    counts = pairs.group_by("part", "value").len()
    usual = counts.sort("len", descending=True).unique("part", keep="first")
    groups, kinds = usual.height, usual["value"].n_unique()
    if groups < _MIN_GROUPS or kinds < _MIN_GROUPS or len(values) < _MIN_REPEATS * groups:
        return False
    return usual["len"].sum() >= _MIN_SHARE * len(values)


def _list_waves(times: pl.Series) -> list[NDArray[np.float64]]:
    """Return the regressors of lines and yearly waves over time, (rows, terms) each."""
    seconds = times.dt.epoch("s").to_numpy().astype(np.float64)
    day, week = times.dt.ordinal_day().to_numpy(), times.dt.week().to_numpy()
    angle = 2 * np.pi * seconds / _YEAR.total_seconds()
    ones = np.ones(len(seconds))
    lines = [np.column_stack([ones, each - each.mean()]) for each in (seconds, day, week)]
    return [*lines, np.column_stack([ones, np.sin(angle), np.cos(angle)])]


def _follows_wave(values: pl.Series, waves: Sequence[NDArray[np.float64]]) -> bool:
    if not values.dtype.is_numeric():
        return False
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = np.isfinite(numbers)
    if known.sum() < 10 * _MIN_GROUPS or known.mean() < _MIN_SHARE:
        return False
    y = numbers[known]
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.square(y - y.mean()).sum()
    if not (np.isfinite(spread) and spread > 0):
        return False
    for wave in waves:
        x = wave[known]
        fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
        if np.square(y - fitted).sum() <= (1 - _MIN_FIT) * spread:
            return True
    return False
