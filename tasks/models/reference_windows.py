"""Windows of the reference: recent ones, those of the same season, and the limits that they give.

A monitored window is compared with the recent windows of the reference (a quarter). If the
reference covers more than a year, it is also compared with the same season of earlier years, and
the smaller PSI counts. The limit comes from the reference's own windows, compared in the same way.
Windows at the start, in which a column is more often null than later, do not count: its history
began there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import numpy as np
import polars as pl
from numpy.typing import NDArray

from configs.schema.monitoring import DriftRule
from tasks.models.psi_thresholds import (
    PRIOR_WINDOWS,
    bin_shares,
    calibrate_threshold,
    cap_threshold,
    count_bins_in_use,
    measure_psis,
)

_RECENT = timedelta(days=91)
_MIN_RECENT = 13  # windows
SEASON_DAYS, SEASONS = 28, 13
_APART = timedelta(days=183)  # a window of the same season is at least half a year away
_FEWEST_WINDOWS = 6  # with fewer, null rates have no limit but that of the worst window
_START_RISE = 0.02  # of the null rate over that of the later half of the windows


@dataclass(frozen=True)
class ReferenceWindows:
    """The windows of a reference: the number of each row, and what they have in common.

    Attributes:
        number: window of each row, (rows,); rows of `full` and beyond are in no full window.
        full: number of full windows.
        first_recent: first recent window.
        middles: middle of each full window.
        tail: probability of a false alarm of one column in one window.
    """

    number: NDArray[np.int64]
    full: int
    first_recent: int
    middles: tuple[datetime, ...]
    tail: float

    @classmethod
    def of_times(cls, times: pl.Series, window: timedelta, tail: float) -> ReferenceWindows:
        """Number the windows from the first time on; the last one must be full.

        Args:
            times: prediction time of each row.
            window: length of a window.
            tail: probability of a false alarm of one column in one window.
        """
        start, end = times.min(), times.max()
        assert isinstance(start, datetime)
        assert isinstance(end, datetime)
        days = -((start - end) // timedelta(days=1))  # rounded up: a day need not be full
        full = days * timedelta(days=1) // window
        number = ((times - start).dt.total_seconds() // int(window.total_seconds())).to_numpy()
        recent = max(_MIN_RECENT, ceil(_RECENT / window))
        middles = tuple(start + (place + 0.5) * window for place in range(full))
        return cls(number.astype(np.int64), full, max(full - recent, 0), middles, tail)

    @property
    def mean_rows(self) -> float:
        """The mean rows of a recent window; of all rows if no window is full."""
        if not self.full:
            return float(len(self.number))
        inside = (self.number >= self.first_recent) & (self.number < self.full)
        return float(inside.sum() / (self.full - self.first_recent))


@dataclass(frozen=True)
class SettledColumn:
    """Reference counts of one column, (bins,), and its limits; `out_of_reach` says why one is."""

    counts: NDArray[np.int64]
    threshold: float
    null_rate: float
    null_limit: float
    seasons: tuple[tuple[float, ...], ...]
    out_of_reach: str


def settle_column(
    windows: ReferenceWindows, codes: NDArray[np.int64], bins: int, rule: DriftRule
) -> SettledColumn:
    """Count the recent rows of a column by bin, and calibrate its limits.

    Args:
        windows: the windows of the reference.
        codes: bin of each row.
        bins: number of bins; the last one is for nulls.
        rule: sets the floor of the limit.
    """
    inside = windows.number < windows.full
    by_window = np.bincount(
        windows.number[inside] * bins + codes[inside], minlength=windows.full * bins
    ).reshape(windows.full, bins)
    first = max(_find_settled(by_window), windows.first_recent)
    counts = np.bincount(codes[windows.number >= first], minlength=bins)
    recent = np.array(
        [each for each in range(first, windows.full) if 0 < by_window[each].sum() < counts.sum()],
        dtype=np.int64,
    )
    near = measure_psis(bin_shares(by_window[recent]), bin_shares(counts - by_window[recent]))
    psis = np.minimum(near, _measure_seasonal_psis(windows, by_window, recent))
    nulls = bin_shares(by_window[recent])[:, -1] if recent.size else bin_shares(counts)[-1:]
    shares = bin_shares(counts)
    bins_in_use = count_bins_in_use(shares)
    threshold = calibrate_threshold(psis.tolist(), rule, windows.tail, bins_in_use)
    most = cap_threshold(shares)
    reason = (
        f"normal windows reach a PSI of {threshold:.3g} at the stated rate, and half of the rows "
        f"in one wrong bin give {most:.3g}"
    )
    return SettledColumn(
        counts=counts,
        threshold=min(threshold, most),
        null_rate=float(nulls.max()),
        null_limit=calibrate_null_limit(nulls, windows.tail),
        seasons=_list_season_shares(windows, by_window),
        out_of_reach=reason if threshold > most else "",
    )


def calibrate_null_limit(rates: NDArray[np.float64], tail: float) -> float:
    """Return the null rate that a clean window exceeds with probability `tail`.

    With few windows, return that of the worst one: the limit of the rule lies above it.

    The arcsine of a share's root has nearly the same spread at each level (M. Bartlett, 1936). Few
    windows say little about the spread, so it counts as that of some more.

    Args:
        rates: null rate of each window of the reference.
        tail: probability of a false alarm in one window.
    """
    from scipy.special import stdtrit

    if len(rates) < _FEWEST_WINDOWS:
        return float(rates.max())
    roots = np.arcsin(np.sqrt(rates))
    error = float(roots.std(ddof=1)) * (1 + 1 / len(rates)) ** 0.5
    degrees = PRIOR_WINDOWS + len(rates) - 1
    highest = float(roots.mean()) - float(stdtrit(degrees, min(tail, 0.5))) * error
    return float(np.sin(min(highest, np.pi / 2)) ** 2)


def find_season(moment: datetime) -> int:
    """Return the season of a moment: spans of four weeks from 1 January on, 0 to 12."""
    return min((moment.timetuple().tm_yday - 1) // SEASON_DAYS, SEASONS - 1)


def _find_settled(by_window: NDArray[np.int64]) -> int:
    """Return the first window after the start-up, in which the column is null more often."""
    full = len(by_window)
    totals = by_window.sum(axis=1)
    filled = np.flatnonzero(totals)
    if not filled.size:
        return 0
    nulls = np.zeros(full)
    nulls[filled] = by_window[filled, -1] / totals[filled]
    limit = nulls[full // 2 :].max() + _START_RISE
    calm = np.flatnonzero((nulls <= limit) & (totals > 0))
    return int(calm[0])


def _season_weights(windows: ReferenceWindows) -> NDArray[np.bool_]:
    """Return which windows belong to each season or one beside it, (seasons, full)."""
    season = np.array([find_season(each) for each in windows.middles], dtype=np.int64)
    distance = np.abs(season[None, :] - np.arange(SEASONS)[:, None])
    return np.asarray(np.minimum(distance, SEASONS - distance) <= 1)


def _list_season_shares(
    windows: ReferenceWindows, by_window: NDArray[np.int64]
) -> tuple[tuple[float, ...], ...]:
    """Return the shares of each season; nothing unless the windows cover more than a year."""
    if not _covers_years(windows):
        return ()
    counts = _season_weights(windows).astype(np.int64) @ by_window
    return tuple(map(tuple, bin_shares(counts).tolist())) if counts.sum(axis=1).all() else ()


def _measure_seasonal_psis(
    windows: ReferenceWindows, by_window: NDArray[np.int64], recent: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the PSI of recent windows against their season in earlier years; inf without one."""
    psis = np.full(recent.size, np.inf)
    if not _covers_years(windows):
        return psis
    weights = _season_weights(windows)
    for place, each in enumerate(recent):
        middle = windows.middles[each]
        apart = np.array([abs(middle - other) >= _APART for other in windows.middles])
        counts = by_window[weights[find_season(middle)] & apart].sum(axis=0)
        if counts.sum():
            psis[place] = measure_psis(bin_shares(by_window[each]), bin_shares(counts))
    return psis


def _covers_years(windows: ReferenceWindows) -> bool:
    span = windows.middles[-1] - windows.middles[0] if windows.middles else timedelta(0)
    return span >= timedelta(days=365) + _RECENT
