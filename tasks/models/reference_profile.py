"""Reference profile of a model version for drift: bins, shares and thresholds by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from configs.errors import NoRows
from configs.schema import monitoring
from tasks.evaluation.calendar_columns import find_calendar_columns
from tasks.models.psi_thresholds import bin_shares
from tasks.models.reference_windows import ReferenceWindows, find_season, settle_column

QUANTILE_BINS = 10
COMMON_SHARE = 0.01  # from which a category gets its own bin
_MAX_OTHER = 1000  # rare categories that are kept; rarer ones count as unknown
WEEK = timedelta(days=7)
CALENDAR = "it follows the calendar"
Shares = tuple[float, ...]
BinCounts = Mapping[str, NDArray[np.int64]]
"""Rows in each bin of each column."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumericBins(_Part):
    """Bins between quantiles, (edge, next edge]; two open ends, and one for nulls."""

    kind: Literal["numeric"] = "numeric"
    edges: tuple[float, ...]

    @property
    def size(self) -> int:
        """Return the number of bins; the last one is for nulls."""
        return len(self.edges) + 2

    def assign_bins(self, values: pl.Series) -> NDArray[np.int64]:
        """Return the bin of each value; NaN counts as null."""
        numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        index = np.searchsorted(np.asarray(self.edges), numbers, side="left")
        return np.where(np.isnan(numbers), self.size - 1, index)


class CategoricalBins(_Part):
    """One bin a common value, then one for other values, unknown values, and nulls."""

    kind: Literal["categorical"] = "categorical"
    common: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def size(self) -> int:
        """Return the number of bins; the last one is for nulls."""
        return len(self.common) + 3

    def assign_bins(self, values: pl.Series) -> NDArray[np.int64]:
        """Return the bin of each value."""
        bins: dict[str | None, int] = {value: i for i, value in enumerate(self.common)}
        bins |= dict.fromkeys(self.other, len(self.common)) | {None: self.size - 1}
        unknown = len(self.common) + 1
        text = values.cast(pl.String)
        return text.replace_strict(bins, default=unknown, return_dtype=pl.Int64).to_numpy()


Bins = Annotated[NumericBins | CategoricalBins, Field(discriminator="kind")]


class ColumnProfile(_Part):
    """Reference of one column: bins, share of rows in each, and normal variation."""

    bins: Bins
    shares: Shares
    threshold: float = Field(description="PSI above which a window has drifted")
    null_rate: float = Field(description="in the worst full window; in all rows if there is none")
    null_limit: float | None = Field(None, description="null rate at the stated rate of alarms")
    seasons: tuple[Shares, ...] = Field(
        (), description="shares of the same season in earlier years, by SEASON of the year"
    )
    informs: str = Field("", description="reason why drift of the column only informs; or empty")

    def shares_at(self, moment: datetime | None) -> list[Shares]:
        """Return the shares that a window is compared with: recent ones, and of its season.

        Args:
            moment: the middle of the window; None for the recent shares alone.
        """
        if moment is None or not self.seasons:
            return [self.shares]
        return [self.shares, self.seasons[find_season(moment)]]


class ReferenceProfile(_Part):
    """Distribution of a model's rows in [start, end], stored as JSON with the model."""

    start: datetime
    end: datetime
    rows: int
    window: timedelta
    window_rows: float = Field(description="mean rows of a full window; of all if there is none")
    columns: dict[str, ColumnProfile]

    def score_names(self, inputs: Sequence[str]) -> list[str]:
        """Return the columns that are predictions of the model: all that are no inputs."""
        return [name for name in self.columns if name not in inputs]


def build_reference_profile(
    frame: pl.DataFrame,
    numeric: Sequence[str],
    categorical: Sequence[str],
    time: str,
    rule: monitoring.DriftRule,
    window: timedelta = WEEK,
) -> ReferenceProfile:
    """Build the reference profile of a frame; raise NoRows if it is empty.

    Args:
        frame: rows with the columns named and `time`.
        numeric: numeric columns.
        categorical: categorical columns.
        time: column of the prediction time.
        rule: sets floor and false alarms of the limits.
        window: length of the windows that limits are calibrated on, and that are monitored
            later. With fewer than two full windows the limit is `rule.floor`.
    """
    if frame.is_empty():
        raise NoRows("the reference profile needs rows, but the reference is empty")
    times = frame[time]
    start, end = times.min(), times.max()
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    names = (*numeric, *categorical)
    calendar = find_calendar_columns(frame, names, time, window)
    judged = len(set(names) - set(rule.informs) - calendar)
    windows = ReferenceWindows.of_times(times, window, rule.tail_of(window, judged))
    bins: dict[str, Bins] = {name: _numeric_bins(frame[name]) for name in numeric}
    bins |= {name: _categorical_bins(frame[name]) for name in categorical}
    return ReferenceProfile(
        start=start,
        end=end,
        rows=frame.height,
        window=window,
        window_rows=windows.mean_rows,
        columns={
            name: _profile_column(frame[name], one, windows, rule, name in calendar)
            for name, one in bins.items()
        },
    )


def count_by_bin(frame: pl.DataFrame, reference: ReferenceProfile) -> BinCounts:
    """Count the rows of `frame` in each bin of each profiled column."""
    return {name: _count_bins(frame[name], one.bins) for name, one in reference.columns.items()}


def _numeric_bins(values: pl.Series) -> NumericBins:
    """Return edges at values of the column: just below the least, deciles, the largest."""
    numbers = values.cast(pl.Float64).drop_nulls().to_numpy()
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return NumericBins(edges=())
    steps = np.linspace(0, 1, QUANTILE_BINS + 1)
    quantiles = np.quantile(finite, steps, method="lower")
    with np.errstate(over="ignore"):
        below = np.nextafter(quantiles[0], -np.inf)
    edges = np.unique([below, *quantiles[1:]])
    return NumericBins(edges=tuple(edges[np.isfinite(edges)].tolist()))


def _categorical_bins(values: pl.Series) -> CategoricalBins:
    """Return a bin for each value with a share of at least 1%; the others share one."""
    counts = values.cast(pl.String).drop_nulls().alias("value").value_counts()
    ordered = counts.sort(["count", "value"], descending=[True, False])
    common = pl.col("count") >= COMMON_SHARE * len(values)
    other = ordered.filter(~common)["value"].head(_MAX_OTHER)
    return CategoricalBins(common=tuple(ordered.filter(common)["value"]), other=tuple(other))


def _count_bins(values: pl.Series, bins: Bins) -> NDArray[np.int64]:
    return np.bincount(bins.assign_bins(values), minlength=bins.size)


def _profile_column(
    values: pl.Series,
    bins: Bins,
    windows: ReferenceWindows,
    rule: monitoring.DriftRule,
    is_calendar: bool,
) -> ColumnProfile:
    """Profile one column; calibrate its limit on the recent windows of the reference."""
    settled = settle_column(windows, bins.assign_bins(values), bins.size, rule)
    informs = CALENDAR if is_calendar else settled.out_of_reach
    return ColumnProfile(
        bins=bins,
        shares=tuple(bin_shares(settled.counts).tolist()),
        threshold=settled.threshold,
        null_rate=settled.null_rate,
        null_limit=settled.null_limit,
        seasons=settled.seasons,
        informs=informs,
    )
