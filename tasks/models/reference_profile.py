"""Drift: how far the rows of a window lie from the champion's reference, column by column.

The number is the population stability index (PSI) over bins that are kept with the model,

    PSI = sum over bins of (p - q) * ln(p / q),        p: share now, q: share in the reference

(N. Siddiqi, Credit Risk Scorecards, 2006; it is Jeffreys' symmetric divergence). Shares are
smoothed first (Lidstone): p' = (p + e) / (1 + k e) with e = 0.005 and k bins, so that a small
bin that happens to be empty weighs little and no logarithm is infinite.

What is too far is learned from the reference itself: each of its full windows (weeks) is left
out and compared with the rest; the threshold is `factor` times the largest of these PSIs, at
least `floor`. Rows of one day are alike, so a test that counts rows would always cry wolf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from configs.errors import NoRows
from configs.schema import monitoring

SMOOTHING = 0.005
QUANTILE_BINS = 10
OWN_BIN = 0.01  # share from which a category has a bin of its own
WEEK = timedelta(days=7)
Shares = tuple[float, ...]
BinCounts = Mapping[str, NDArray[np.int64]]
"""Rows in each bin of each column."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumericBins(_Part):
    """Bins between quantiles: (edge, next edge], two open ends outside the range seen, nulls."""

    kind: Literal["numeric"] = "numeric"
    edges: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of bins; the last one holds the nulls."""
        return len(self.edges) + 2

    def codes(self, values: pl.Series) -> NDArray[np.int64]:
        """The bin of each value; NaN counts as null."""
        numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        found = np.searchsorted(np.asarray(self.edges), numbers, side="left")
        return np.where(np.isnan(numbers), self.size - 1, found)


class CategoricalBins(_Part):
    """One bin per common value, then the other values, values never seen, and nulls."""

    kind: Literal["categorical"] = "categorical"
    common: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of bins; the last one holds the nulls."""
        return len(self.common) + 3

    def codes(self, values: pl.Series) -> NDArray[np.int64]:
        """The bin of each value."""
        bins: dict[str | None, int] = {value: i for i, value in enumerate(self.common)}
        bins |= dict.fromkeys(self.other, len(self.common)) | {None: self.size - 1}
        unseen = len(self.common) + 1
        text = values.cast(pl.String)
        return text.replace_strict(bins, default=unseen, return_dtype=pl.Int64).to_numpy()


Bins = Annotated[NumericBins | CategoricalBins, Field(discriminator="kind")]


class ColumnProfile(_Part):
    """The reference of one column: its bins, the share of rows in each, and what is normal."""

    bins: Bins
    shares: Shares
    threshold: float = Field(description="PSI beyond which a window has drifted")
    null_rate: float = Field(description="in the worst full window; in all rows if there is none")


class ReferenceProfile(_Part):
    """What a model's rows looked like in [start, end]: JSON all through, kept with the model."""

    start: datetime
    end: datetime
    rows: int
    window: timedelta
    window_rows: float = Field(description="mean rows of a full window; of all if there is none")
    columns: dict[str, ColumnProfile]


def build_reference_profile(
    frame: pl.DataFrame,
    numeric: Sequence[str],
    categorical: Sequence[str],
    time: str,
    rule: monitoring.DriftRule,
    window: timedelta = WEEK,
) -> ReferenceProfile:
    """The reference profile of `frame` (rows, at least the columns named and `time`).

    `window` is the length that is monitored later: thresholds are calibrated on windows of that
    length, and are `rule.floor` where the reference has fewer than two. NoRows without rows.
    """
    if frame.is_empty():
        raise NoRows("a drift profile needs rows: the reference is empty")
    times = frame[time]
    start, end = times.min(), times.max()
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    days = -((start - end) // timedelta(days=1))  # rounded up: a day need not be full
    full = days * timedelta(days=1) // window
    index = ((times - start).dt.total_seconds() // int(window.total_seconds())).to_numpy()
    bins: dict[str, Bins] = {name: _numeric_bins(frame[name]) for name in numeric}
    bins |= {name: _categorical_bins(frame[name]) for name in categorical}
    return ReferenceProfile(
        start=start,
        end=end,
        rows=frame.height,
        window=window,
        window_rows=float((index < full).sum() / full) if full else float(frame.height),
        columns={name: _column(frame[name], of, index, full, rule) for name, of in bins.items()},
    )


def count_by_bin(frame: pl.DataFrame, reference: ReferenceProfile) -> BinCounts:
    """The rows of `frame` in each bin of each profiled column."""
    return {name: _count(frame[name], of.bins) for name, of in reference.columns.items()}


def measure_psi(now: ArrayLike, reference: ArrayLike) -> float:
    """PSI of two lists of shares over the same bins, smoothed; 0 when they are equal."""
    p, q = (_smooth(np.asarray(shares, dtype=np.float64)) for shares in (now, reference))
    return float(((p - q) * np.log(p / q)).sum())


def _smooth(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return (shares + SMOOTHING) / (1 + shares.size * SMOOTHING)


def _numeric_bins(values: pl.Series) -> NumericBins:
    """Edges at values of the column: just below the least, the deciles, the largest."""
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
    """Values with a share of at least 1% by themselves, largest first; the others together."""
    counts = values.cast(pl.String).drop_nulls().alias("value").value_counts()
    ordered = counts.sort(["count", "value"], descending=[True, False])
    common = pl.col("count") >= OWN_BIN * len(values)
    return CategoricalBins(
        common=tuple(ordered.filter(common)["value"]), other=tuple(ordered.filter(~common)["value"])
    )


def _count(values: pl.Series, bins: Bins) -> NDArray[np.int64]:
    return np.bincount(bins.codes(values), minlength=bins.size)


def bin_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of each bin in all rows, (bins,)."""
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _column(
    values: pl.Series,
    bins: Bins,
    window: NDArray[np.int64],
    full: int,
    rule: monitoring.DriftRule,
) -> ColumnProfile:
    """Shares of all rows, and the threshold from leaving each of the `full` windows out."""
    codes = bins.codes(values)
    counts = np.bincount(codes, minlength=bins.size)
    inside = window < full
    by_window = np.bincount(
        window[inside] * bins.size + codes[inside], minlength=full * bins.size
    ).reshape(full, bins.size)
    weeks = [week for week in by_window if 0 < week.sum() < counts.sum()]
    normal = [measure_psi(bin_shares(week), bin_shares(counts - week)) for week in weeks]
    return ColumnProfile(
        bins=bins,
        shares=tuple(bin_shares(counts).tolist()),
        threshold=max([rule.floor, *(rule.factor * value for value in normal)]),
        null_rate=max(float(bin_shares(week)[-1]) for week in (weeks or [counts])),
    )
