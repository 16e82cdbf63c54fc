"""Population stability index (PSI) and the calibration of its limits.

Drift is the population stability index (PSI) over bins that are stored with the model,

    PSI = sum over bins of (p - q) * ln(p / q),        p: share now, q: share in the reference

(N. Siddiqi, Credit Risk Scorecards, 2006; it is Jeffreys' symmetric divergence). Shares are
smoothed first (Lidstone): p' = (p + e) / (1 + k e) with e = 0.005 and k bins. So a small bin that
happens to be empty weighs little, and no logarithm is infinite.

Limits come from the reference itself: each of its recent windows (weeks) is compared with the rest,
as a monitored window is compared. A PSI of clean rows is a scaled chi-square, whose cube root is
nearly normal (E. Wilson and M. Hilferty, 1931). The limit is the quantile that a new clean window
exceeds at the stated rate (Student's t, for few windows). Rows of one day are alike, so a test that
counts rows would always raise a false alarm.

A limit is at most the PSI of a window with half of its rows in one wrong bin. So each limit is far
below the largest PSI that exists, and a fault can reach it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from configs.schema.monitoring import DriftRule

SMOOTHING = 0.005
_MIN_WINDOWS = 2  # with fewer the limit is `floor`
PRIOR_WINDOWS = 4  # weight of the prior spread: few windows say little about it


def calibrate_threshold(
    psis: Sequence[float], rule: DriftRule, tail: float, bins: float = 12
) -> float:
    """Return the PSI that a clean window exceeds with probability `tail`; at least `rule.floor`.

    It may be out of reach: see `cap_threshold`.

    Args:
        psis: PSI of each window of the reference against the others.
        rule: sets floor and factor.
        tail: probability of a false alarm in one window.
        bins: number of bins in use.
    """
    from scipy.special import fdtri, stdtrit

    if len(psis) < _MIN_WINDOWS:
        return rule.floor
    roots, degrees = np.cbrt(psis), PRIOR_WINDOWS + len(psis) - 1
    mean = float(roots.mean())
    # With common causes a column of k bins has fewer than k - 1 degrees of freedom: half are
    # assumed. The variance of a chi-square's cube root, over its squared mean, is 2 / (9 f).
    free = max((bins - 1) / 2, 1)
    squares = PRIOR_WINDOWS * mean**2 * 2 / (9 * free) + float(np.square(roots - mean).sum())
    error = math.sqrt(squares / degrees * (1 + 1 / len(psis)))
    highest = mean - float(stdtrit(degrees, min(tail, 0.5))) * error
    # A chi-square over the mean of others is F: it counts that few windows may all be calm. Each
    # window is part of what the others are compared with, which costs the freedom of one.
    others = free * (len(psis) - 1)
    calm = float(np.mean(psis)) * float(fdtri(free, others, 1 - min(tail, 0.5)))
    return max(rule.floor, rule.factor * max(highest**3, calm))


def count_bins_in_use(shares: ArrayLike) -> float:
    """Return the number of equal bins with the same entropy as these shares."""
    used = np.asarray(shares, dtype=np.float64)
    used = used[used > 0]
    return float(np.exp(-(used * np.log(used)).sum()))


def cap_threshold(shares: ArrayLike) -> float:
    """Return the largest limit of a column: the PSI of half of the rows in one wrong bin.

    Args:
        shares: share of each bin in the reference, (bins,).
    """
    reference = np.asarray(shares, dtype=np.float64)
    moved = (reference + np.eye(reference.size)) / 2
    return float(measure_psis(moved, reference).max())


def measure_psi(now: ArrayLike, reference: ArrayLike) -> float:
    """Return the PSI of two lists of shares over the same bins, smoothed; 0 if equal."""
    return float(measure_psis(np.asarray(now, dtype=np.float64), np.asarray(reference)))


def measure_psis(now: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the PSI over the last axis, (…,); the other axes are broadcast."""
    p, q = _smooth(now), _smooth(reference)
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=-1))


def bin_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each bin in all rows, over the last axis, (…, bins)."""
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True), dtype=np.float64)


def _smooth(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((shares + SMOOTHING) / (1 + shares.shape[-1] * SMOOTHING))
