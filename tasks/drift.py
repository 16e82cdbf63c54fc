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

from configs import policy
from configs.errors import NoRows
from configs.use_case import UseCase
from tasks.monitoring import Number, Verdict

SMOOTHING = 0.005
QUANTILE_BINS = 10
OWN_BIN = 0.01  # share from which a category has a bin of its own
WEEK = timedelta(days=7)

Shares = tuple[float, ...]
Counts = Mapping[str, NDArray[np.int64]]
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


class Column(_Part):
    """The reference of one column: its bins, the share of rows in each, and what is normal."""

    bins: Bins
    shares: Shares
    threshold: float = Field(description="PSI beyond which a window has drifted")
    null_rate: float = Field(description="in the worst full window; in all rows if there is none")


class Profile(_Part):
    """What a model's rows looked like in [start, end]: JSON all through, kept with the model."""

    start: datetime
    end: datetime
    rows: int
    window: timedelta
    window_rows: float = Field(description="mean rows of a full window; of all if there is none")
    columns: dict[str, Column]


def profile(
    frame: pl.DataFrame,
    numeric: Sequence[str],
    categorical: Sequence[str],
    time: str,
    rule: policy.Drift,
    window: timedelta = WEEK,
) -> Profile:
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
    return Profile(
        start=start,
        end=end,
        rows=frame.height,
        window=window,
        window_rows=float((index < full).sum() / full) if full else float(frame.height),
        columns={name: _column(frame[name], of, index, full, rule) for name, of in bins.items()},
    )


def drift(frame: pl.DataFrame, reference: Profile) -> pl.DataFrame:
    """PSI of each profiled column of `frame` against the reference.

    One row per column: column, psi, threshold, null_rate, reference_null_rate, rows; in the
    order of the profile. NoRows without rows.
    """
    return compare([count(frame, reference)], reference)


def count(frame: pl.DataFrame, reference: Profile) -> Counts:
    """The rows of `frame` in each bin of each profiled column."""
    return {name: _count(frame[name], of.bins) for name, of in reference.columns.items()}


def compare(counts: Sequence[Counts], reference: Profile) -> pl.DataFrame:
    """As `drift`, of a window that was counted in parts: the counts of its parts add up."""
    found = []
    for name, of in reference.columns.items():
        inside = np.sum([part[name] for part in counts], axis=0)
        if not inside.sum():
            raise NoRows("drift needs rows: the window is empty")
        now = _share(inside)
        how_far = float(psi(now, of.shares))
        found.append((name, how_far, of.threshold, now[-1], of.null_rate, int(inside.sum())))
    return pl.DataFrame(
        found,
        schema={
            "column": pl.String, "psi": pl.Float64, "threshold": pl.Float64,
            "null_rate": pl.Float64, "reference_null_rate": pl.Float64, "rows": pl.Int64,
        },
        orient="row",
    )  # fmt: skip


def verdicts(use_case: UseCase, found: pl.DataFrame, as_of: datetime) -> list[Number]:
    """The rows of `drift` as numbers: beyond its threshold an input is as bad as the rule says.

    What monitor.drift.informs names only informs, and so does the model's own score: both move
    with the seasons, and whether it hurts is for the performance rules to say.
    """
    start, rule = as_of - use_case.monitor.window, use_case.monitor.drift
    judged = set(use_case.features.inputs) - set(rule.informs)
    numbers = []
    for row in found.to_dicts():
        beyond: Verdict = rule.severity if row["column"] in judged else "inform"
        number = Number(
            "drift", row["column"], start, as_of, value=row["psi"], reference=0.0,
            threshold=row["threshold"], rows=row["rows"],
            verdict=beyond if row["psi"] > row["threshold"] else "ok",
        )  # fmt: skip
        numbers.append(number)
    return numbers


def psi(now: ArrayLike, reference: ArrayLike) -> float:
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


def _share(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _column(
    values: pl.Series,
    bins: Bins,
    window: NDArray[np.int64],
    full: int,
    rule: policy.Drift,
) -> Column:
    """Shares of all rows, and the threshold from leaving each of the `full` windows out."""
    codes = bins.codes(values)
    counts = np.bincount(codes, minlength=bins.size)
    inside = window < full
    by_window = np.bincount(
        window[inside] * bins.size + codes[inside], minlength=full * bins.size
    ).reshape(full, bins.size)
    weeks = [week for week in by_window if 0 < week.sum() < counts.sum()]
    normal = [psi(_share(week), _share(counts - week)) for week in weeks]
    return Column(
        bins=bins,
        shares=tuple(_share(counts).tolist()),
        threshold=max([rule.floor, *(rule.factor * value for value in normal)]),
        null_rate=max(float(_share(week)[-1]) for week in (weeks or [counts])),
    )
